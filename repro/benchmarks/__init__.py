"""What is fast and how fast: kernels, layers and methods, each first held to another program's result, then timed beside it.

A ``Race`` is one row of a table; ``kernels.py``, ``layers.py`` and ``methods.py`` set races up, ``clock.py`` times them.
"""
