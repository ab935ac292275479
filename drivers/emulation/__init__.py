"""An emulated BLED112 dongle with a Myo, on a pseudo-terminal; the Myo plays a recording."""
