"""HTTP and WebSocket: routes, the stream endpoint, access, errors, metrics, and how uvicorn serves them."""
