"""What `myocast evaluate` runs: sessions and a model file in, all figures out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.architectures.base import NetworkConfig
from models.arrays import Float32Array
from models.data.segments import Segment, segments_of
from models.data.splits import split
from models.evaluation import report
from models.evaluation.evaluate import EvaluationConfig, EvaluationData, evaluate
from models.evaluation.evaluation import Evaluation
from models.evaluation.passes import EvaluationError
from models.evaluation.report_tables import Table, overview, tables
from models.file_limits import read_model_file
from models.filter_config import OneEuroConfig
from models.metrics.gestures import gestures_left_out, label_by_markers
from models.onnx_file import read_spec
from models.spec import ModelSpec
from service.experiments.datasets import Item, read
from service.experiments.evaluation_output import Tuned, Wanted, write_found
from service.experiments.training_data import calibrations, kind_of, load_segments

SPLITS = ("user", "session", "block", "gesture")


@dataclass(frozen=True, slots=True)
class FileEvaluationConfig:
    """A model file, the sessions to evaluate it on, and how."""

    model: Path
    data: Sequence[Item]
    training: Sequence[Item] = ()
    """Sessions to fit the baselines on."""
    split: str = ""
    """`user`, `session` or `block`: only what such a split of `data` holds out; `gesture`: errors by gesture."""
    held_out: float = 0.2
    """Share that the split holds out."""
    seed: int = 0
    """Which users the split holds out."""
    align_s: float = 0.0
    """Seconds of cues that each band is aligned on first."""
    skip: int = 50
    """Steps at the start of each segment that are not evaluated."""
    rotations_deg: Sequence[float] = ()
    smoothing: Sequence[OneEuroConfig] = ()
    protocol: bool = False
    """Tell errors as the benchmark of emg2pose does, too."""
    calibrate_s: Sequence[float] = ()
    """Labelled seconds of each user to tune the network on."""
    network: Path | None = None
    """The .keras file that is tuned; without it `model` with that ending."""
    manifest: Path | None = None
    """Of the training; without it the one in the `.run` folder beside `model`."""
    out: Path | None = None
    """Model file for what was found; None writes none."""

    @property
    def wanted(self) -> Wanted | None:
        """What shall be written."""
        if self.out is None:
            return None
        return Wanted(self.out, bool(self.align_s), max(self.calibrate_s, default=0.0), self.smoothing)


def evaluate_file(
    config: FileEvaluationConfig,
    note: Callable[[str], None],
    reading: Callable[[str, int], None] | None = None,
    wrote: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Evaluate a model file.

    Args:
        config: what, on what, and how.
        note: called with the name of each user who is done when users' labels are tuned on.
        reading: called with the name of each session of the data that was read, and how many there are.
        wrote: called with a line about the file that was written, where there is an `out`.

    Raises:
        MyocastError: a file that cannot be read, data that nothing can be measured on, or an `out` that makes no sense.
    """
    wanted = config.wanted
    if wanted is not None:
        wanted.check(config.model)
    network = _network(config) if config.calibrate_s else None
    content = read_model_file(config.model)
    spec = read_spec(content, config.model.name)
    data = _data(config, NetworkConfig.of(spec), reading)
    if wanted is not None:
        wanted.check_data(data.segments)
    tuning = None if network is None else _Tuning(network, spec, config.calibrate_s, note)
    settings = EvaluationConfig(
        config.align_s, config.skip, config.rotations_deg, config.smoothing, tuning, config.protocol
    )
    found = evaluate(content, spec, data, settings)
    if wanted is not None:
        tuned = None if tuning is None else Tuned(tuning.tuner, tuning.card, data.segments, spec.name)
        wrote(write_found(wanted, content, spec, found, tuned))
    return found


def console_tables(evaluation: Evaluation) -> list[Table]:
    """What a person at a terminal gets to see."""
    return [overview(evaluation), *tables(evaluation)]


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write `report.md` and its pictures; returns the report's path."""
    return report.write(evaluation, folder)


def _data(
    config: FileEvaluationConfig, network: NetworkConfig, reading: Callable[[str, int], None] | None
) -> EvaluationData:
    names: list[str] = []
    if config.split == "gesture":
        segments = list(_named_segments(config.data, network, names))
    else:
        segments = load_segments(config.data, network, reading=reading)
    if not segments:
        raise EvaluationError("no EMG in the data; give sessions with samples")
    data = EvaluationData(
        segments,
        description=f"{len(config.data)} {kind_of(segments)} recordings, as given with --data",
        training=load_segments(config.training, network),
        cues=calibrations(config.data, config.align_s, network) if config.align_s else [],
    )
    if config.split == "gesture":
        manifest = config.manifest or config.model.with_suffix(".run") / "manifest.json"
        left_out, words = gestures_left_out(manifest)
        return replace(data, gestures=names, left_out=left_out, left_out_note=words)
    return _held_out(data, config) if config.split else data


def _held_out(data: EvaluationData, config: FileEvaluationConfig) -> EvaluationData:
    parts = split(data.segments, config.split, config.held_out, config.seed)
    return replace(
        data,
        segments=parts.held_out,
        training=data.training or parts.train,
        description=f"held out by {config.split} from {data.description}",
    )


def _named_segments(found: Sequence[Item], network: NetworkConfig, names: list[str]) -> Iterable[Segment]:
    """Segments whose class labels are the gestures of the sessions' markers."""
    for recording in read(found, network.emg_mode, network.rate_hz):
        yield from segments_of([label_by_markers(recording, names)], network)


class _Tuning:
    """Tunes the network of a model file on labelled seconds of each user."""

    def __init__(self, network: Path, spec: ModelSpec, seconds: Sequence[float], note: Callable[[str], None]) -> None:
        # Only tuning needs TensorFlow, which takes longer to import than an evaluation takes.
        from models.evaluation.calibration import Tuner
        from models.training.network_file import load

        built, self.card = load(network)
        wanted = NetworkConfig.of(spec)
        if (self.card.config.rate_hz, self.card.config.emg_mode) != (wanted.rate_hz, wanted.emg_mode):
            raise EvaluationError(f"{network}: reads other EMG than the model; give the file it was exported from")
        self.tuner = Tuner(self.card.network, built, self.card.config)
        self._seconds, self._note = seconds, note

    def __call__(
        self, segments: Sequence[Segment], mean: Float32Array | None, skip: int
    ) -> Sequence[Mapping[str, float]]:
        from models.evaluation.calibration import curve

        return curve(self.tuner, segments, self._seconds, mean, skip, self._note)


def _network(config: FileEvaluationConfig) -> Path:
    path = config.network or config.model.with_suffix(".keras")
    if not path.exists():
        raise EvaluationError(f"{path}: no such file; --calibrate tunes a .keras file, give it with --network")
    return path
