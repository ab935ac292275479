"""A synthetic armband as a source."""
