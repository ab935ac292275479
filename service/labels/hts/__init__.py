"""Labels from Hand Tracking Streamer on a Quest."""
