"""The kernels: their host build against the layers' NumPy way, and what NVRTC and the sanitizers say of their text."""
