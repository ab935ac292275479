"""A synthetic armband: EMG made from a known moving hand."""
