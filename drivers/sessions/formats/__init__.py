"""Session files of other programs that are neither text nor MCAP; their libraries are the extra `formats`."""
