"""Recording while streaming, on a thread of its own."""
