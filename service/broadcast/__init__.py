"""From one pose to many clients: the hub, its rate limits, and the messages of the stream."""
