"""The OpenBCI Cyton over its USB dongle."""
