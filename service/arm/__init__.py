"""One person's arm, live: the alignment of the band, a personal model, and the quality of the signal."""
