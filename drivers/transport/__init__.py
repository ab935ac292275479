"""A serial port and a queue between threads, for any device."""
