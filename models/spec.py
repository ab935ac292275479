"""The specification in a model file: the `myocast` metadata property of an ONNX file."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

import orjson

from models.errors import MyocastError
from models.filter_config import OneEuroConfig, SmoothingError
from models.hand import CHANNELS, ORDER, Side

METADATA_KEY: Final = "myocast"
FORMAT: Final = 1
RATE_TOLERANCE: Final = 0.05
"""Of the source's rate or the model's, whichever is higher: 190 and 200 Hz fit each other either way round."""
_ROUNDING_HZ: Final = 1e-9
UNITS: Final = ("adc", "uV")
_OPTIONAL: Final = ("alignment", "personal", "smoothing", "lag_ms", "confidence", "ahead_ms")
"""Optional keys of the metadata."""
MAX_AHEAD_MS: Final = 500
"""Further ahead than that EMG knows nothing of a hand."""
MAX_METADATA: Final = 1 << 18
"""Characters of the metadata property."""
MAX_NAME: Final = 200
"""Characters of a name: it stands in messages, in the log, and on the page."""
_NAME: Final = f"a text of 1 to {MAX_NAME} printable characters"
MAX_ROWS: Final = 60_000
"""Samples of a window or a hop: five minutes of a Myo."""
MAX_RATE_HZ: Final = 100_000.0
MAX_COUNT: Final = 2**53
"""The largest whole number that every reader of JSON keeps."""
EMG_MODES: Final = ("raw", "filtered", "envelope", "any")

Kind = Literal["window", "stream"]


class ModelError(MyocastError):
    """A model file that cannot be used: what was found, what was expected, what to do."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model file's specification (docs/protocol.md#metadata)."""

    name: str
    architecture: str
    parameters: int
    kind: Kind
    window: int
    """Samples per window; 0 for a streaming model."""
    hop: int
    """Samples between two poses, as suggested by whoever trained it."""
    rate_hz: float
    unit: str = "adc"
    emg_mode: str = "raw"
    frame: str = "hand"
    hand: Side = "right"
    order: str = ORDER
    trained_on: tuple[str, ...] = ()
    validation: Mapping[str, Any] = field(default_factory=dict)
    """`mpjpe_mm`, `rmse_mm`, `mean_pose_mpjpe_mm` and the split they were measured on."""
    parity_max_abs_mm: float | None = None
    alignment: Mapping[str, Any] | None = None
    """`cues`: cue -> 8 levels in `unit`, of the donning or the people that it learned from, after their own matrix."""
    personal: Mapping[str, Any] | None = None
    """Where it was fitted to one person: `seconds`, `labels`, `base`, `base_sha256`, `bones_mm` (20)."""
    smoothing: Mapping[str, Any] | None = None
    """The filter that `serve` puts behind it: `min_cutoff_hz`, `beta`, `stages`, and what it delays by, `lag_ms`."""
    lag_ms: float | None = None
    """By how much its poses, without a filter, are behind the hand, ms; negative where they are ahead."""
    confidence: Mapping[str, Any] | None = None
    """Where it has a measure of its error: `still_mm` (error of a still hand, which counts as 1) and `trained_on`."""
    ahead_ms: float | None = None
    """Where it was trained on the pose that many ms after the newest sample, which makes up for what filters lag."""
    created: str = ""
    myocast_version: str = ""
    format: int = FORMAT

    def to_json(self) -> str:
        """As the text of the metadata property."""
        values = asdict(self) | {"trained_on": list(self.trained_on)}
        return json.dumps({key: value for key, value in values.items() if value is not None or key not in _OPTIONAL})

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Parse the metadata property. Unknown keys are ignored.

        Raises:
            ModelError: not JSON, a key missing, of the wrong type, or of an unknown format.
        """
        values = _object(text)
        known = {key: values[key] for key in cls.__dataclass_fields__ if key in values}
        for key in ("name", "architecture", "parameters", "kind", "window", "hop", "rate_hz"):
            if key not in known:
                raise ModelError(f"model metadata has no `{key}`; export the model again with `myocast export`")
        spec = cls(**known)
        spec._check()
        return replace(spec, trained_on=tuple(spec.trained_on))

    @property
    def ahead_s(self) -> float:
        """Seconds after the newest sample at which the hand is told; 0 = at the newest sample."""
        return (self.ahead_ms or 0.0) / 1000.0

    @property
    def recommended_filter(self) -> OneEuroConfig | None:
        """The filter that `smoothing` says; None where it says none."""
        return None if self.smoothing is None else OneEuroConfig.of(self.smoothing)

    @property
    def still_hand(self) -> tuple[float, float] | None:
        """The error of the model and of a still hand (the mean pose) on the same data, mm; None where not measured."""
        figures = [self.validation.get(key) for key in ("mpjpe_mm", "mean_pose_mpjpe_mm")]
        return (float(figures[0]), float(figures[1])) if all(map(_number, figures)) else None  # type: ignore[arg-type]

    @property
    def worse_than_still_hand(self) -> str | None:
        """Why this model is not worth serving, in one line; None where it beats a still hand, or was not measured."""
        measured = self.still_hand
        if measured is None or measured[0] < measured[1]:
            return None
        return (
            f"model {self.name} is worse than a still hand: {measured[0]:.1f} mm off, a hand that never moves "
            f"{measured[1]:.1f} mm ({self.validation.get('split', 'no split named')}); fit a shipped model to your arm "
            "with `myocast calibrate`, or train on more data"
        )

    def at_rate(self, rate_hz: float) -> ModelSpec:
        """The same where its constants are written for another rate, with as many poses a second."""
        return replace(self, rate_hz=rate_hz, hop=max(1, round(self.hop * rate_hz / self.rate_hz)))

    def fits_rate(self, rate_hz: float) -> bool:
        """Whether a rate is the model's own, within what crystals and radios differ."""
        return abs(rate_hz - self.rate_hz) <= RATE_TOLERANCE * max(rate_hz, self.rate_hz) + _ROUNDING_HZ

    def mismatch(self, rate_hz: float, unit: str, emg_mode: str) -> str | None:
        """Why this model does not fit a source, as "expected X, found Y", or None if it fits."""
        if self.unit != unit:
            return f"expected EMG in unit `{self.unit}`, found `{unit}`"
        if self.emg_mode not in ("any", emg_mode):
            return f"expected emg_mode `{self.emg_mode}`, found `{emg_mode}`"
        if not self.fits_rate(rate_hz):
            return f"expected {self.rate_hz:g} Hz, found {rate_hz:g} Hz"
        return None

    def _check(self) -> None:
        windowed, parity = self.kind == "window", self.parity_max_abs_mm
        checks = (
            (self.format == FORMAT, "format", FORMAT, self.format),
            (_name(self.name), "name", _NAME, self.name),
            (_name(self.architecture), "architecture", _NAME, self.architecture),
            (_count(self.parameters), "parameters", "a count", self.parameters),
            (self.kind in ("window", "stream"), "kind", "window or stream", self.kind),
            (self.frame == "hand", "frame", "hand", self.frame),
            (self.hand in ("left", "right"), "hand", "left or right", self.hand),
            (self.order == ORDER, "order", ORDER, self.order),
            (_count(self.hop) and 1 <= self.hop <= MAX_ROWS, "hop", f"1 to {MAX_ROWS}", self.hop),
            (
                _count(self.window) and (self.window > 0) == windowed and self.window <= MAX_ROWS,
                "window", f"up to {MAX_ROWS} samples (0 for a stream)", self.window,
            ),
            (
                _number(self.rate_hz) and 0 < self.rate_hz <= MAX_RATE_HZ,
                "rate_hz", f"a number above 0, up to {MAX_RATE_HZ:g}", self.rate_hz,
            ),
            (self.unit in UNITS, "unit", " or ".join(UNITS), self.unit),
            (self.emg_mode in EMG_MODES, "emg_mode", " or ".join(EMG_MODES), self.emg_mode),
            (_texts(self.trained_on), "trained_on", "a list of texts", self.trained_on),
            (isinstance(self.validation, Mapping), "validation", "an object", self.validation),
            (parity is None or _number(parity), "parity_max_abs_mm", "a number", parity),
            (_cues(self.alignment), "alignment", "`cues` of 8 levels each", self.alignment),
            (self.personal is None or isinstance(self.personal, Mapping), "personal", "an object", self.personal),
            (_filter(self.smoothing), "smoothing", "min_cutoff_hz, beta and stages of a filter", self.smoothing),
            (self.lag_ms is None or _number(self.lag_ms), "lag_ms", "a number", self.lag_ms),
            (
                self.confidence is None or isinstance(self.confidence, Mapping),
                "confidence", "an object", self.confidence,
            ),
            (
                self.ahead_ms is None or (_number(self.ahead_ms) and 0 <= self.ahead_ms <= MAX_AHEAD_MS),
                "ahead_ms", f"0 to {MAX_AHEAD_MS}", self.ahead_ms,
            ),
            (_text(self.created), "created", "a text", self.created),
            (_text(self.myocast_version), "myocast_version", "a text", self.myocast_version),
        )  # fmt: skip
        for ok, key, expected, found in checks:
            if not ok:
                raise ModelError(
                    f"model metadata `{key}`: expected {expected}, found {reprlib.repr(found)}; export the model again"
                )


def _object(text: str) -> dict[str, Any]:
    """The metadata as an object that JSON can carry on: it goes to clients, and into other model files.

    Raises:
        ModelError: it is none.
    """
    if len(text) > MAX_METADATA:
        raise ModelError(f"model metadata has more than {MAX_METADATA} characters; export the model again")
    try:
        values = json.loads(text)
        orjson.dumps(values)  # refuses numbers beyond 64 bits, half characters, and what is nested too deeply
    except (ValueError, RecursionError, orjson.JSONEncodeError) as error:
        raise ModelError(
            f"model metadata is not JSON ({error}); export the model again with `myocast export`"
        ) from None
    if not isinstance(values, dict):
        raise ModelError("model metadata is not a JSON object; export the model again with `myocast export`")
    return values


def _text(value: object) -> bool:
    return isinstance(value, str)


def _name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()


def _texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _cues(value: object) -> bool:
    if value is None:
        return True
    cues = value.get("cues") if isinstance(value, Mapping) else None
    return isinstance(cues, Mapping) and all(
        _text(cue) and isinstance(level, list | tuple) and len(level) == CHANNELS and all(map(_number, level))
        for cue, level in cues.items()
    )


def _filter(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, Mapping) or not (value.get("lag_ms") is None or _number(value["lag_ms"])):
        return False
    try:
        OneEuroConfig.of(value)
    except SmoothingError:
        return False
    return True


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT
