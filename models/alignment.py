"""Aligning a band: one 8 x 8 matrix that undoes how it sits on this arm.

A band can be turned (by any fraction of a channel), worn the other way round, and every electrode
has its own gain. All of that mixes envelopes linearly, so it is undone by one matrix, which a model
file carries as its initializer `alignment` and applies to row vectors: `aligned = envelope @ matrix`.

The matrix is found from 10-15 s in which the wearer rests, makes a fist and extends the wrist: each
gives a ring of eight levels, and those rings are compared with the template of the people that the
model was trained on. Rest counts as one of the cues but not for the turn: an arm that is held up rests with
its extensors at work, and dividing by that moves the ring of every movement.

No two forearms are alike once turn, side and gains are taken out. What is left between the wearer's cues and the
template goes into a small mixing of the channels: the ridge solution, so that three rings do not claim more of an
8 x 8 matrix than they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from models.arrays import Float32Array, Float64Array
from models.errors import MyocastError
from models.hand import CHANNELS, MIRRORED_CHANNELS
from models.spec import ModelSpec

REST: Final = "rest"
CUES: Final = (REST, "fist", "extension")
"""The movements that the wearer makes, in this order."""

CUE_NAMES: Final = (
    REST, "fist", "extension", "flexion", "open", "index", "middle", "ring", "pinky", "thumb", "point", "pinch",
)  # fmt: skip
"""Names of all cues that a wearer can be asked for."""

ROLLS: Final = np.arange(0.0, CHANNELS, 0.1)
ROLL_SD: Final = 1.3
"""Channels by which people put the band on differently (SD; 1.1 to 1.5 on real people)."""
ROLL_PRICE: Final = 0.05
"""A turn by one `ROLL_SD` costs half of this in correlation with the template, one by two `ROLL_SD` twice this."""
MANY_CUES: Final = 6
"""With so many cues the turn is known from them alone, whatever the gains, and costs nothing."""
WITHOUT_GAINS: Final = 3.0
"""What the likeness without the channels' gains counts against that with them, where there are many cues."""
MAX_GAIN: Final = 4.0
MIXING_PRICE: Final = 0.15
"""Ridge penalty of the mixing that is left after turn, side and gains, with each cue's ring of length one."""
TEMPLATE_ROUNDS: Final = 5
_TINY: Final = 1e-3
_WHOLE: Final = np.stack([np.roll(np.eye(CHANNELS), -turn, axis=1) for turn in range(CHANNELS)])
"""(8, 8, 8) turns by whole channels."""


class AlignmentError(MyocastError):
    """Calibration data that no alignment can be found from."""


@dataclass(frozen=True, slots=True)
class Template:
    """Mean envelope of each cue over the people that a model was trained on, in the model's unit."""

    levels: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Fit:
    """How a band sits."""

    roll: float
    """Channels by which its ring is turned back to the template's, [0, 8): a band that is turned towards the thumb has
    the template's channel c + k at its channel c, so its roll is -k."""
    mirrored: bool
    """The ring runs the other way (other arm, or the band upside down)."""
    gains: tuple[float, ...]
    """(8,) factors that bring the channels to the template's level."""
    score: float
    """Correlation with the template after turn and side, at most 1."""
    mixing: Float32Array = field(default_factory=lambda: np.eye(CHANNELS, dtype=np.float32), compare=False)
    """(8, 8) what turn, side and gains leave, near the identity."""

    many: bool = False
    """Found from so many cues that the ring is turned finely (`fine_roll`)."""

    @property
    def turn(self) -> float:
        """`roll` to the nearer side, [-4, 4): negative where the band is turned towards the thumb."""
        return _nearer_side(self.roll)

    def matrix(self) -> Float32Array:
        """The (8, 8) float32 matrix for `envelope @ matrix`."""
        ring = np.eye(CHANNELS)[:, list(MIRRORED_CHANNELS)] if self.mirrored else np.eye(CHANNELS)
        turned = ring @ (fine_roll if self.many else roll)(self.roll)
        return np.asarray((turned * np.asarray(self.gains)) @ self.mixing, np.float32)


def roll(channels: float) -> Float32Array:
    """The matrix that turns a ring of envelopes by a fraction of a channel.

    Args:
        channels: after `x @ roll(k)`, channel c holds what channel c + k held (linear between channels).

    Returns:
        (8, 8) float32; rows and columns sum to one.
    """
    matrix: Float32Array = rolls(np.array([channels]))[0]
    return matrix


def rolls(channels: Float64Array) -> Float32Array:
    """Such a matrix for each of n turns: (n, 8, 8) float32."""
    whole = np.floor(channels).astype(int)
    part = (channels - whole)[:, None, None]
    return np.asarray((1.0 - part) * _WHOLE[whole % CHANNELS] + part * _WHOLE[(whole + 1) % CHANNELS], np.float32)


def levels(envelope: npt.ArrayLike, cues: Sequence[str]) -> dict[str, Float64Array]:
    """Mean envelope of every cue.

    Args:
        envelope: (n, 8) rectified or smoothed EMG.
        cues: n names, "" where the sample belongs to none (a switch, a pause).

    Raises:
        AlignmentError: rest or any movement is missing, or a channel is silent throughout.
    """
    x = np.abs(np.asarray(envelope, np.float64))
    names = np.asarray(cues)
    found = {cue: x[names == cue].mean(axis=0) for cue in sorted(set(cues) - {""})}
    if REST not in found or len(found) < 2:
        raise AlignmentError(
            f"the alignment needs rest and at least one movement, found {', '.join(found) or 'nothing'}; record again"
        )
    if not np.isfinite(list(found.values())).all():
        raise AlignmentError("the alignment data holds values that are not numbers; record again")
    if not max(level.max() for level in found.values()) > 0:
        raise AlignmentError("the band gives no signal in the alignment data; check that it sits on the skin")
    return found


@lru_cache(maxsize=256)
def fine_roll(channels: float) -> Float32Array:
    """The same as `roll` with the channels as samples of a smooth ring, so that a narrow hill stays narrow.

    Half-way between two channels the mean of both is lower and wider than what an electrode there would show. Beside a
    narrow hill values can come out a little below zero, which count as nothing, here and in the graph. On another
    donning of 11 synthetic people (seed 1, users 3100 to 3105, 3107 to 3111) a personal model is off by 3.4 % less.

    Args:
        channels: as in `roll`.

    Returns:
        (8, 8) float32, read-only; rows and columns sum to one.
    """
    apart = np.arange(CHANNELS)[:, None] - np.arange(CHANNELS)
    waves = [2.0 * np.cos(2.0 * np.pi * k * (apart - channels) / CHANNELS) for k in range(1, CHANNELS // 2)]
    fastest = np.cos(np.pi * apart) * np.cos(np.pi * channels)
    matrix = np.asarray((1.0 + np.sum(waves, axis=0) + fastest) / CHANNELS, np.float32)
    matrix.flags.writeable = False
    return matrix


def template(people: Sequence[Mapping[str, npt.ArrayLike]]) -> Template:
    """The mean of several people's levels: geometric, so that no person's gain outweighs the others.

    People's bands differ by more than a channel, so each one is turned to the mean of all, several times over;
    the turns are kept at zero on average, so that the template is a band as people put it on.

    Args:
        people: of each, cue -> (8,) level in the model's unit, as `levels` gives them.
    """
    cues = sorted(set.intersection(*(set(person) for person in people)))
    worn = [{cue: np.asarray(person[cue], np.float64) for cue in cues} for person in people]
    turns = np.zeros(len(worn))
    for _ in range(TEMPLATE_ROUNDS):
        centre = _centre(worn, turns)
        turns = np.array([_best(person, centre, flip=False)[1] for person in worn])
        turns -= _mean_turn(turns)
    return Template({cue: tuple(float(v) for v in level) for cue, level in _centre(worn, turns).items()})


def template_of_model(spec: ModelSpec) -> Template | None:
    """The template that a model file carries, or None: its `alignment`, or where older files keep theirs."""
    cues = spec.alignment["cues"] if spec.alignment else spec.validation.get("template")
    if not cues:
        return None
    return Template({cue: tuple(float(value) for value in level) for cue, level in cues.items()})


def fit(found: Mapping[str, npt.ArrayLike], target: Template, *, mirror: bool = True, gains: bool = True) -> Fit:
    """How the band sits, from the levels of a few cues.

    Args:
        found: cue -> (8,) level, as `levels` gives them.
        target: the template of the model.
        mirror: look for a ring that runs the other way too.
        gains: undo gains and mix what they leave; without, only the roll and side.

    Raises:
        AlignmentError: fewer than two cues in common with the template.
    """
    cues = [cue for cue in found if cue in target.levels]
    if len(cues) < 2:
        raise AlignmentError(
            f"the alignment needs two of {', '.join(target.levels)}, found {', '.join(found) or 'none'}; record again"
        )
    person = {cue: np.asarray(found[cue], np.float64) for cue in cues}
    centre = {cue: np.asarray(target.levels[cue]) for cue in cues}
    _, turn, flip = max(_best(person, centre, flip=side) for side in ((False, True) if mirror else (False,)))
    score = _score(person, centre, turn, flip)
    many = len(cues) >= MANY_CUES
    turned = {cue: _rotated(level, turn, flip, many=many) for cue, level in person.items()}
    if not gains:
        return Fit(float(turn), flip, (1.0,) * CHANNELS, float(score), many=many)
    factor = _gains(turned, centre)
    left = _mixing({cue: level * factor for cue, level in turned.items()}, centre)
    return Fit(float(turn), flip, tuple(float(g) for g in factor), float(score), left, many)


def _log(level: Float64Array, floor: float = _TINY) -> Float64Array:
    return np.asarray(np.log(level + floor), np.float64)


def _rotated(level: Float64Array, turn: float, flip: bool, *, many: bool) -> Float64Array:
    ring = level[list(MIRRORED_CHANNELS)] if flip else level
    return np.maximum(ring @ (fine_roll if many else roll)(turn), 0.0)


def _rows(person: Mapping[str, Float64Array]) -> Float64Array:
    """(k, 8) the movements' rings, in logarithms, without their mean: a gain of the whole band does not matter.

    What is as weak as rest is noise; the logarithm must not make hills of it.
    """
    floor = float(np.median(person[REST]))
    rows = np.stack([_log(level, floor + _TINY) for cue, level in sorted(person.items()) if cue != REST])
    return np.asarray(rows - rows.mean(axis=1, keepdims=True), np.float64)


def _without_gains(rows: Float64Array) -> Float64Array:
    """The same without the mean of each channel over many movements, so that its gain does not matter either."""
    return np.asarray(rows - rows.mean(axis=0, keepdims=True), np.float64)


def _score(person: Mapping[str, Float64Array], centre: Mapping[str, Float64Array], turn: float, flip: bool) -> float:
    """Correlation of all movements' rings, of many without the channels' gains."""
    many = len(person) >= MANY_CUES
    found = _rows({cue: _rotated(level, turn, flip, many=many) for cue, level in person.items()})
    wanted = _rows(centre)
    if many:
        found, wanted = _without_gains(found), _without_gains(wanted)
    return _correlation(found.ravel(), wanted.ravel())


def _likeness(person: Mapping[str, Float64Array], centre: Mapping[str, Float64Array], turn: float, flip: bool) -> float:
    """What tells the turn and the side.

    Of few movements that is the score. Of many it is each movement's own correlation, so that a weak one (a finger)
    says as much as a strong one, with the channels' gains and, `WITHOUT_GAINS` times as much, without. On 74 synthetic
    people (seed 1, users 3100 to 3173), each turned by eight amounts, the right side is always the likelier one; with
    equal weights it is not in 2 of the 592.
    """
    if len(person) < MANY_CUES:
        return _score(person, centre, turn, flip)
    found, wanted = _rows({cue: _rotated(one, turn, flip, many=True) for cue, one in person.items()}), _rows(centre)
    plain = np.mean([_correlation(one, other) for one, other in zip(found, wanted, strict=True)])
    rows = zip(_without_gains(found), _without_gains(wanted), strict=True)
    return float(
        (plain + WITHOUT_GAINS * np.mean([_correlation(one, other) for one, other in rows])) / (1 + WITHOUT_GAINS)
    )


def _correlation(one: Float64Array, other: Float64Array) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-12))


def _best(
    person: Mapping[str, Float64Array], centre: Mapping[str, Float64Array], *, flip: bool
) -> tuple[float, float, bool]:
    """Likeness after the price of the turn, the turn, and the side again."""
    price = _price if len(person) < MANY_CUES else lambda turn: 0.0
    scores = [_likeness(person, centre, turn, flip) - price(turn) for turn in ROLLS]
    best = int(np.argmax(scores))
    return scores[best], float(ROLLS[best]), flip


def _price(turn: float) -> float:
    return 0.5 * ROLL_PRICE * (_nearer_side(turn) / ROLL_SD) ** 2


def _nearer_side(turn: float) -> float:
    return (turn + CHANNELS / 2) % CHANNELS - CHANNELS / 2


def _centre(worn: Sequence[Mapping[str, Float64Array]], turns: Float64Array) -> dict[str, Float64Array]:
    many = len(worn[0]) >= MANY_CUES
    turned = [{cue: _rotated(p[cue], k, False, many=many) for cue in p} for p, k in zip(worn, turns, strict=True)]
    return {cue: np.exp(np.mean([_log(person[cue]) for person in turned], axis=0)) for cue in worn[0]}


def _mean_turn(turns: Float64Array) -> float:
    """Mean on the ring."""
    return float(np.angle(np.exp(2j * np.pi * turns / CHANNELS).mean()) * CHANNELS / (2 * np.pi))


def _gains(person: Mapping[str, Float64Array], centre: Mapping[str, Float64Array]) -> Float64Array:
    ratio = np.mean([_log(centre[cue]) - _log(level) for cue, level in person.items() if cue != REST], axis=0)
    return np.asarray(np.clip(np.exp(ratio), 1.0 / MAX_GAIN, MAX_GAIN), np.float64)


def _mixing(person: Mapping[str, Float64Array], centre: Mapping[str, Float64Array]) -> Float32Array:
    """The matrix nearest the identity (ridge) that takes the person's rings to the template's."""
    size = {cue: np.linalg.norm(centre[cue]) + _TINY for cue in person}
    rings = np.stack([person[cue] / size[cue] for cue in person])
    wanted = np.stack([centre[cue] / size[cue] for cue in person])
    change = np.linalg.solve(rings.T @ rings + MIXING_PRICE * np.eye(CHANNELS), rings.T @ (wanted - rings))
    return np.asarray(np.eye(CHANNELS) + change, np.float32)
