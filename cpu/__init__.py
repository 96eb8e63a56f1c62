"""The CPU's engine: convolutions and fully connected layers in C++, for float32, on all cores.

Optional: where it was not built, layers run on NumPy's matrix products.
"""
