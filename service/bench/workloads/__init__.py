"""What the benchmark measures, one workload a module."""
