"""The benchmark's worker processes: servers, clients and the onnxruntime baseline."""
