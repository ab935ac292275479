"""The command line: one module per verb. It is the one composition root."""
