"""From samples to poses: ring buffer, windows, model file, and the worker thread that runs it."""
