"""When each pose passed each stage of the server: observers of a running service."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from drivers.clock import Clock, now
from drivers.events import Frame
from service.bench.processes.worker_process import Message, clock_anchor
from service.broadcast.client import Client
from service.engine.pose import Pose
from service.events import DeviceEvent
from service.wiring import Service

KEEP_SAMPLES: Final = 30_000
"""EMG that is kept, so that onnxruntime alone can be run on the same windows."""
POSE_COLUMNS: Final = ("seq", "sample", "skipped", "gap", "arrival", "due", "started", "finished", "handed", "encoded")


class Trace:
    """Times of device 0's poses on their way to the clients. Everything happens on the event loop's thread."""

    def __init__(self, clock: Clock = now) -> None:
        self._clock = clock
        self._poses: list[tuple[float, ...]] = []
        self._sent: list[tuple[int, int, float]] = []
        self._frames: list[Frame] = []
        self._rows = 0
        self._handed = 0.0

    def save(self, path: Path) -> None:
        """Write everything; times are on the system-wide monotonic clock.

        Arrays: `poses` (k, 10) float64 as in `POSE_COLUMNS`, `sent` (m, 3) client, seq, time; `emg` (n, 8) and the
        index of each row, `sample` (n,).
        """
        poses = np.array(self._poses, dtype=np.float64).reshape(-1, len(POSE_COLUMNS))
        sent = np.array(self._sent, dtype=np.float64).reshape(-1, 3)
        anchor = clock_anchor()
        poses[:, POSE_COLUMNS.index("arrival") :] -= anchor
        sent[:, 2] -= anchor
        emg = np.concatenate([np.zeros((0, 8), dtype=np.float32), *(frame.samples for frame in self._frames)])
        sample = [frame.first_sample + row for frame in self._frames for row in range(len(frame.samples))]
        np.savez(path, poses=poses, sent=sent, emg=emg, sample=np.array(sample, dtype=np.int64))

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Keep the EMG; note when a pose came from the engine."""
        if device:
            return
        if isinstance(event, Pose):
            self._handed = self._clock()
        elif isinstance(event, Frame) and self._rows < KEEP_SAMPLES:
            self._frames.append(event)
            self._rows += len(event.samples)

    def on_encoded(self, pose: Pose) -> None:
        """Note a pose with the times of its stages so far."""
        if pose.device == 0 and (not self._poses or self._poses[-1][0] != pose.seq):
            self._poses.append(
                (
                    pose.seq,
                    pose.sample,
                    pose.skipped,
                    pose.gap,
                    pose.arrival,
                    pose.due,
                    pose.started,
                    pose.finished,
                    self._handed,
                    self._clock(),
                )
            )

    def on_sent(self, client: Client, seq: int) -> None:
        """Note when a client's transport took a pose."""
        self._sent.append((client.number, seq, self._clock()))


class ReplayProgress:
    """What a replay has played, and how late its newest sample was."""

    def __init__(self) -> None:
        self._service: Service | None = None
        self._samples = 0
        self._begun = 0.0
        self._newest_arrival = 0.0

    def attach(self, service: Service) -> None:
        self._service = service
        service.add_output(self)

    def values(self) -> Message:
        """`played` samples, `passed_s` from the first sample's own time to the newest frame's arrival, `state`."""
        state = self._service.devices[0].status.state if self._service else ""
        return {"played": self._samples, "passed_s": self._newest_arrival - self._begun, "state": state}

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Count a frame's samples."""
        if device == 0 and isinstance(event, Frame):
            self._begun = self._begun or event.t
            self._samples += len(event.samples)
            self._newest_arrival = event.arrival


def engine_counts(service: Service, device: int = 0) -> dict[str, int]:
    """Return the counters of a device's engine."""
    engine = service.devices[device].engine
    if engine is None:
        return {"due": 0, "poses": 0, "skipped": 0, "invalid": 0, "unfinished": 0}
    done = engine.poses + engine.skipped + engine.invalid
    return {
        "due": engine.due,
        "poses": engine.poses,
        "skipped": engine.skipped,
        "invalid": engine.invalid,
        "unfinished": engine.due - done,
    }
