"""What is measured on predictions: pose error, hand closure, gestures, smoothness, and the baselines."""
