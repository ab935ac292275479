"""A recording as a source."""
