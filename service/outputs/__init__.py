"""Ways out for programs that do not speak `myocast.v1`: Leap Motion's protocol, UDP, Lab Streaming Layer.

Each is a `service.events.Output` that `async with` opens and closes.
"""
