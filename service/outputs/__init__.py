"""Outputs for programs that do not use the protocol `myocast.v1`: Leap Motion, UDP, Lab Streaming Layer.

Each is a `service.events.Output` that `async with` opens and closes.
"""
