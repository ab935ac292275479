"""HTTP and WebSocket: routes, the stream endpoint, who may come in, errors, metrics."""
