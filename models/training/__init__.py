"""Training: segments in memory, batches, losses, the loop. It opens no session files."""
