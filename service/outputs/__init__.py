"""Ways out for programs that do not speak `myocast.v1`: Leap Motion's protocol, UDP, Lab Streaming Layer.

An output is entered (`async with`) to open it and takes every pose through `put`, which never waits.
"""
