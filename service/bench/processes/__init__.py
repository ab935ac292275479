"""The processes that a benchmark runs side by side, and how they are started."""
