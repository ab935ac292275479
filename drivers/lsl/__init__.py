"""A Lab Streaming Layer stream as a source."""
