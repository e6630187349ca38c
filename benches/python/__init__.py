"""The Python API under pytest-benchmark."""
