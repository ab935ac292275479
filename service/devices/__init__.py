"""One armband in the service: its source, engine and state, and the supervisor that reconnects it."""
