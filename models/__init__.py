"""The hand, the model file, recordings and the networks.

The light half (numpy only) is imported to serve; the heavy half (Keras) only to train.
"""
