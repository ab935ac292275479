"""From a Keras network to a Myocast model file (ONNX)."""
