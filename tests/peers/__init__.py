"""The same methods by other programs, as a researcher would write them there: what ours are held against and timed beside.

``repro/benchmarks/peers.py`` says what a peer offers. Nothing here is part of the package, nor needed by it.
"""
