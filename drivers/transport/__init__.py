"""What several devices share: a serial port, and a queue between threads."""
