"""The Myo: its protocol, and the two ways to reach it, Bluetooth LE and its USB dongle."""
