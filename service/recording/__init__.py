"""Sessions as they are written: one file, a thread of its own, nothing lost."""
