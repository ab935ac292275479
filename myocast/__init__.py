"""Myocast for notebooks and programs: sessions, models, training, serving, and a client of the stream.

    import myocast

    session = myocast.read_session("session.mcap")
    model = myocast.load_model("raw200")
    for part in session.segments():
        poses = model.stream().push(session.emg[part])      # (m, 63) mm

This package holds no algorithm: it gives the other packages one stable surface. Whatever is not named here may change
in any release. Importing it brings numpy; onnxruntime and TensorFlow are imported when a function needs them.
"""

from drivers.demo import SESSION as DEMO_SESSION
from drivers.sessions import LabelsConfig, SessionError, read_session, write_session
from models.errors import MyocastError
from models.recording import Marker, Recording
from models.spec import ModelError, ModelSpec
from models.version import package_version
from myocast.data import synthesize
from myocast.experiments import evaluate, export, train
from myocast.inference import Model, PoseStream, load_model
from myocast.server import Server, serve
from myocast_client.sync import connect

__version__ = package_version()

__all__ = [
    "DEMO_SESSION",
    "LabelsConfig",
    "Marker",
    "Model",
    "ModelError",
    "ModelSpec",
    "MyocastError",
    "PoseStream",
    "Recording",
    "Server",
    "SessionError",
    "connect",
    "evaluate",
    "export",
    "load_model",
    "read_session",
    "serve",
    "synthesize",
    "train",
    "write_session",
]
