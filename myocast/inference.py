"""A model file, and poses from samples as a live server computes them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from models.arrays import Float32Array
from models.hand import CHANNELS, VALUES, Side
from models.spec import ModelSpec

if TYPE_CHECKING:
    from service.engine.output_stage import OutputStage
    from service.engine.predictor import ModelFile, Predictor

SHIPPED: Final = ("raw200", "envelope50")
"""Models that come with Myocast: for raw EMG at 200 Hz, and for the 50 Hz envelopes of a Myo."""


def load_model(path: str | Path) -> Model:
    """Load a model file.

    Args:
        path: an `.onnx` file that `export` or `myocast export` wrote, or the name of a shipped model: `raw200` or
            `envelope50`.

    Raises:
        ModelError: there is no such file, or it is not a model of Myocast.
    """
    from service.engine.predictor import ModelFile

    if path in SHIPPED:
        path = Path(str(files("service") / "weights" / f"{path}.onnx"))
    file = ModelFile(Path(path))
    file.open()
    return Model(file)


class Model:
    """A model file that can be used. Make one with `load_model`."""

    def __init__(self, file: ModelFile) -> None:
        self._file = file

    def __repr__(self) -> str:
        spec = self.spec
        return f"<Model {spec.name}: {spec.kind}, {spec.rate_hz:g} Hz {spec.emg_mode} EMG>"

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self._file.path

    @property
    def spec(self) -> ModelSpec:
        """The file's specification: architecture, rate, mode, hop, what it was trained on, its errors."""
        return self._file.spec

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's content, in hexadecimal, as in the server's `hello`."""
        return self._file.sha256

    def stream(self, *, hop: int | None = None, hand: Side | None = None, smooth: str = "auto") -> PoseStream:
        """Begin a stream of samples without a gap. Streams of one model do not influence each other.

        Args:
            hop: samples between two poses; None: as the file suggests.
            hand: the arm that wears the band; None: the one that the model was trained for.
            smooth: the filter behind the model, as `myocast serve --smooth` has it: `auto` as the file recommends,
                `off` for the network's own output, or `MINCUTOFF,BETA[,STAGES]`.

        Raises:
            MyocastError: `smooth` is none of these.
        """
        if hop is not None and hop < 1:
            raise ValueError(f"hop must be at least 1 sample, got {hop}")
        predictor = self._file.open()
        predictor.mirrored = hand is not None and hand != self.spec.hand
        from service.engine.output_stage import OutputStage, Smoothing

        return PoseStream(predictor, hop or self.spec.hop, OutputStage(Smoothing.parse(smooth), self.spec))


class PoseStream:
    """Samples in, poses out, with the code and at the moments of a live server.

    A pose depends only on samples up to its own, so samples may be given in pieces of any size. A window model gives
    its first pose when its window is full, a streaming model after the first `hop` samples; then one follows every
    `hop`.
    """

    def __init__(self, predictor: Predictor, hop: int, stage: OutputStage) -> None:
        self._predictor, self._stage = predictor, stage
        self._sample = 0
        """Of the next pose, counted as the live server does; where the first one is counts for nothing."""
        self._gap = False
        self._rows: Float32Array
        self._hop = hop
        self._window = predictor.spec.window or hop
        """Rows that the predictor takes at a time."""
        self.reset()

    def push(self, samples: npt.ArrayLike) -> Float32Array:
        """Take the next samples and return the poses that fell due in them.

        Args:
            samples: (n, 8) in the model's unit, rate and mode, the oldest first; n may be 0.

        Returns:
            (m, 63) mm, float32, frame `hand`: x, y, z of 21 joints each, m about n / hop and possibly 0.

        Raises:
            ValueError: another shape.
        """
        rows = np.asarray(samples, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != CHANNELS:
            raise ValueError(f"samples must have the shape (n, {CHANNELS}), got {rows.shape}")
        self._rows = np.concatenate([self._rows, rows])
        poses = [self._next() for _ in range(self._due())]
        return np.stack(poses) if poses else np.empty((0, VALUES), np.float32)

    def reset(self) -> None:
        """Forget all samples: call this where some are missing, as the server does at a gap."""
        self._predictor.reset()
        self._gap = True
        # With a hop longer than the window, the samples that no window sees come before it.
        self._rows = np.zeros((max(self._hop - self._window, 0), CHANNELS), np.float32)

    def _due(self) -> int:
        """Number of poses that the buffered rows are enough for."""
        return max(0, (len(self._rows) - max(self._window, self._hop)) // self._hop + 1)

    def _next(self) -> Float32Array:
        newest = max(self._window, self._hop)
        self._predictor.load(self._rows[newest - self._window : newest])
        self._rows = self._rows[self._hop :]
        pose = self._predictor.run()
        hand = self._predictor.spec.hand
        if self._predictor.mirrored:
            hand = "left" if hand == "right" else "right"
        self._sample, gap, self._gap = self._sample + self._hop, self._gap, False
        return self._stage.feed(pose, self._sample, hand, gap=gap)
