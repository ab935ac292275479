"""A client of Myocast's stream: a moving hand as numpy arrays.

    async for pose in connect("http://127.0.0.1:8765/"):
        print(pose.joints[8])          # index fingertip, mm

`myocast_client.sync.connect` does the same in a plain `for` loop.
Points are in MediaPipe's order, in millimetres, in frame `hand`: origin at the wrist, -Z along the
hand, +Y out of its back; a right hand, palm down, has its thumb at -X.
"""

from __future__ import annotations

from typing import Any

from myocast_client.address import stream_url
from myocast_client.client import Client, connect
from myocast_client.clock import ClockOffset, local_now
from myocast_client.deprecated import deprecated
from myocast_client.errors import (
    BadRequest,
    BadSubscription,
    ClientError,
    Forbidden,
    Refused,
    Unauthorized,
    Unreachable,
)
from myocast_client.messages import (
    JOINTS,
    PARENTS,
    Bye,
    DecodeError,
    Emg,
    Fault,
    Float32Array,
    Hello,
    Imu,
    Message,
    Pong,
    Pose,
    Status,
    decode,
)

__version__ = "0.1.0"
__all__ = [
    "JOINTS", "PARENTS", "BadRequest", "BadSubscription", "Bye", "Client", "ClientError", "ClockOffset", "DecodeError",
    "Emg", "Fault", "Float32Array", "Forbidden", "Hello", "Imu", "Message", "Pong", "Pose", "Refused", "Status",
    "Unauthorized", "Unreachable", "connect", "decode", "local_now", "stream_url",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "now":
        deprecated("myocast_client.now", "myocast_client.local_now, or client.server_now() for the server's time")
        return local_now
    if name == "Floats":
        deprecated("myocast_client.Floats", "myocast_client.Float32Array")
        return Float32Array
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
