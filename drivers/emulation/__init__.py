"""A BLED112 dongle with a Myo behind it, as a pseudo-terminal that plays a recording."""
