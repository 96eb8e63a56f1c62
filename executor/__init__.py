"""The executor: an immutable ``Net``, the ``Trace`` that a forward pass leaves, and the ``Walk`` back under a rule.

``graph.py`` knows how blobs hang together, ``rules.py`` what happens at each layer on the way back, ``load.py`` files, and
``routine.py`` does passes again from a record.
"""
