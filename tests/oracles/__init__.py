"""Slow, literal oracles: what layers, rules and methods must compute, written from the definitions with plain loops.

They import nothing of the package. Numbers may be floats or, in arrays of ``object``, exact ``Fraction``s.
"""
