"""The running service: ring, engine, hub, HTTP and WebSocket, recorder, viewer, command line."""
