"""From samples to poses: ring, windower, model file, and the worker that runs it."""
