"""Sources of labels: what sees the hand, or asks for its pose, while an armband is recorded. A folder for each."""
