"""Training: Caffe's solver on this package's executor.

``solver.py`` runs the loop, ``rates.py`` and ``updates.py`` hold its formulas, ``snapshot.py`` its files; ``sources/`` has
one file per data layer type, ``transformation.py`` turns pictures into blobs on the way in; ``features.py`` computes once what a
head alone is trained on.
"""
