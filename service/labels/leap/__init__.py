"""Labels from a Leap or Ultraleap tracking service."""
