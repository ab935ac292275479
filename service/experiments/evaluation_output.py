"""What `myocast evaluate --out` writes: a model file with what the evaluation found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.data.segments import Segment
from models.errors import MyocastError
from models.evaluation.evaluation import Evaluation
from models.filter_config import OneEuroConfig
from models.metrics.smoothness import best_filter, recommendation
from models.onnx_edit import rewrite
from models.onnx_file import ALIGNMENT, read_spec
from models.spec import ModelSpec
from models.whole_file import write_whole

if TYPE_CHECKING:
    from models.evaluation.calibration import Tuner
    from models.training.network_file import Card


class OutputError(MyocastError):
    """Nothing that could be written, or a file that cannot be."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be written, and where."""

    out: Path
    align: bool
    calibrate_s: float
    """The most labelled seconds that the network is tuned on; 0 = not at all."""
    smoothing: Sequence[OneEuroConfig]

    def check(self, model: Path) -> None:
        """Refuse what makes no model file, before anything is measured.

        Raises:
            OutputError: saying what to give instead.
        """
        if self.out.suffix != ".onnx":
            raise OutputError(f"{self.out}: a model file ends in .onnx; give another --out")
        if not self.out.absolute().parent.is_dir():
            raise OutputError(f"{self.out.parent}: no such folder; make it, or give another --out")
        if self.out.exists() and model.exists() and self.out.samefile(model):
            raise OutputError(f"{self.out}: is the model that is evaluated; give another --out")
        if not (self.align or self.calibrate_s or self.smoothing):
            raise OutputError(
                "--out has nothing to write: give --align, --smooth, or --calibrate with seconds above 0 beside it"
            )
        if self.align and self.calibrate_s:
            raise OutputError(
                "--out writes a band's matrix (--align) or a tuned network (--calibrate), not both: the network is tuned "
                "on the band as it was worn; give one of the two"
            )

    def check_data(self, segments: Sequence[Segment]) -> None:
        """Refuse data of several donnings or people, of whom a file can hold one only.

        Raises:
            OutputError: there are several.
        """
        donnings = {(segment.user, segment.session) for segment in segments}
        if self.align and len(donnings) > 1:
            raise OutputError(
                f"--out writes the matrix of one donning, and the data hold {len(donnings)}; give sessions of one of them"
            )
        people = {user for user, _ in donnings}
        if self.calibrate_s and len(people) > 1:
            raise OutputError(
                f"--out writes a network tuned on one person, and the data are of {len(people)}; give one's"
            )


def write_found(wanted: Wanted, content: bytes, spec: ModelSpec, evaluation: Evaluation, tuned: Tuned | None) -> str:
    """Write a model file; it appears complete or not at all.

    Args:
        wanted: what of it.
        content: of the model file that was evaluated.
        spec: its specification.
        evaluation: what was found.
        tuned: the network that was tuned.

    Returns:
        What was written, in one line.

    Raises:
        OutputError: it cannot be written, or nothing was found.
    """
    said = []
    values: dict[str, Any] = {}
    if tuned is not None:
        content, spec = tuned.export(wanted, evaluation.calibration[-1])
        said.append(f"the last layers tuned on {wanted.calibrate_s:g} s of labels")
    if wanted.align:
        if not evaluation.matrices:
            raise OutputError("no donning in the data has rest, fist and wrist extension, so there is nothing to write")
        values[ALIGNMENT] = evaluation.matrices[0]
        said.append(f"a band that sits {evaluation.bands[0]['turn_deg']:.0f} degrees off the template")
    if wanted.smoothing:
        best, row = _best(evaluation, wanted.smoothing)
        found, lag_ms = recommendation(best, evaluation.smoothing[0], row)
        spec = replace(spec, smoothing=found, lag_ms=spec.lag_ms if lag_ms is None else lag_ms)
        late = "" if lag_ms is None else f" ({row['lag_ms']:.0f} ms late, {row['jerk_ratio']:.1f} times the true jerk)"
        said.append(f"the filter that suits it best, {best.text}{late}")
    _write(wanted.out, rewrite(content, values, spec))
    return f"{wanted.out}: {spec.name} with {' and '.join(said)}"


@dataclass(frozen=True, slots=True)
class Tuned:
    """A network that can be tuned on the labels of one person, and exported."""

    tuner: Tuner
    card: Card
    segments: Sequence[Segment]
    """Of that person."""
    name: str

    def export(self, wanted: Wanted, row: Mapping[str, float]) -> tuple[bytes, ModelSpec]:
        """Tune it as it was for the last row of the evaluation, and make a model file of it."""
        from exporters.export import export
        from models.evaluation.calibration import labelled

        self.tuner.tune([labelled(self.segments, wanted.calibrate_s)])
        figures = {"mpjpe_mm": round(row["mpjpe_mm"], 3)}
        still = row.get("user_mean_mpjpe_mm", row.get("mean_pose_mpjpe_mm"))
        if still is not None:
            figures |= {"mean_pose_mpjpe_mm": round(still, 3), "worse_than_still_hand": row["mpjpe_mm"] >= still}
        split = {"split": f"the person's session after {wanted.calibrate_s:g} s of labels that it was tuned on"}
        inherited = ("mean_pose", "template", "smoothing", "lag_ms")
        kept = {key: self.card.validation[key] for key in inherited if key in self.card.validation}
        try:
            export(
                self.tuner.built,
                replace(self.card, validation={**kept, **figures, **split}),
                wanted.out,
                name=self.name,
            )
            content = wanted.out.read_bytes()
        except OSError as error:
            raise _unwritable(wanted.out, error) from None
        return content, read_spec(content, wanted.out.name)


def _best(evaluation: Evaluation, filters: Sequence[OneEuroConfig]) -> tuple[OneEuroConfig, Mapping[str, float]]:
    """The filter to recommend of those that were measured, and what was found for it."""
    rows = evaluation.smoothing[1 : 1 + len(filters)]
    if not rows:
        raise OutputError("the data have no true poses that a filter could be chosen by; give sessions with labels")
    best = best_filter(rows)
    return filters[best], rows[best]


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written ({error.strerror}); give another --out")
