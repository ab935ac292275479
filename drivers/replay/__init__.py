"""A recording, played as if it were a device."""
