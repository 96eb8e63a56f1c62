"""Scenes: photograph-like pictures of sixteen classes of jointed, textured objects, with exact boxes and masks, drawn from a seed.

``compose.scene`` draws one; ``python -m thinktwice.repro.datasets.scenes --out DIR`` writes the data set. Read from ``compose`` down:
``grounds``, ``clutter``, ``classes``, ``drawing``, ``shapes``, ``paints``, ``noise``, ``exact``.
"""
