"""Sessions in text: CSV, headerless numbers, the joined CSV of earlier projects."""
