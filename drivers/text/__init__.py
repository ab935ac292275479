"""Any board that prints its channels as lines of text."""
