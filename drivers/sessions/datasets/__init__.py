"""Public data sets in their own formats."""
