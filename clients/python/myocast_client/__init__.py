"""A client of Myocast's stream: a moving hand as numpy arrays.

    async for pose in connect("http://127.0.0.1:8765/"):
        print(pose.joints[8])          # index fingertip, mm

Points are in MediaPipe's order, in millimetres, in frame `hand`: origin at the wrist, -Z along the
hand, +Y out of its back; a right hand, palm down, has its thumb at -X.
"""

from myocast_client.client import (
    BadRequest,
    BadSubscription,
    Client,
    ClientError,
    ClockOffset,
    Forbidden,
    Refused,
    Unauthorized,
    Unreachable,
    connect,
    now,
    stream_url,
)
from myocast_client.messages import (
    JOINTS,
    PARENTS,
    Bye,
    DecodeError,
    Emg,
    Fault,
    Floats,
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
    "Emg", "Fault", "Floats", "Forbidden", "Hello", "Imu", "Message", "Pong", "Pose", "Refused", "Status",
    "Unauthorized", "Unreachable", "connect", "decode", "now", "stream_url",
]  # fmt: skip
