"""Recordings as training examples: segments, features, batches, splits, augmentation."""
