"""Top-down attention: one file per method, read beside its paper, and what turns signals into maps.

``attend`` runs any of them by name; ``methods.py`` lists them. Entering this room registers the papers' rules.
"""

from . import methods

__all__ = ["methods"]
