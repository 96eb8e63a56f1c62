"""Caffe's layer catalogue: one file per layer type, with its parameters, shapes, forward pass, gradient and registration.

``layer_class("Pooling")`` finds a type; ``registry.py`` holds the table, ``layer.py`` what every layer offers.
"""

from .registry import layer_class, layer_types

__all__ = ["layer_class", "layer_types"]
