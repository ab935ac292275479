"""The generator: a user, a session, and as many seconds of both EMG and hand as one likes.

Everything is made in blocks of 200 samples with all state carried over, so a stream cut into any pieces
is, sample for sample, the session made at once. Nothing in the EMG depends on later pieces except
through the electromechanical delay, by which muscles precede the hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import BoolArray, Float32Array, Float64Array
from models.forward.electrodes import gains
from models.forward.motion import EFFORT, SQUEEZE, TONE, WRIST_FIRST, Motion, Step
from models.forward.muscles import MUSCLES, activation, excitation
from models.forward.nuisance import Disturbance, Radio, digitise
from models.forward.person import Donning, Person, donning, person, stream
from models.forward.signal import ENVELOPE_RATE_HZ, SPECTRUM_RATE_HZ, Carrier, Drift, Envelope, Notch
from models.forward.variants import VARIANTS, Variant
from models.hand import MIRRORED_CHANNELS, VALUES, Side, mirror
from models.kinematics import ANGLES, points
from models.recording import Marker, Recording

BLOCK_ROWS: Final = 200
LABEL_HZ: Final = 50.0
FIRST_UNSEEN_USER: Final = 1000
"""Users from this number on are for tests and demonstrations: no shipped model is trained on them."""
LOWEST_RATE_HZ: Final = 50.0
HIGHEST_RATE_HZ: Final = 1000.0
MODES: Final = ("raw", "filtered", "envelope")
_FATIGUE_S: Final = 600.0
_TONIC: Final = (0.045, 0.035, 0.035)
"""Effort of the wrist's muscles at a posture of 1: flexion, deviation, rotation."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples of a stream."""

    first: int
    """Index of the first sample."""
    t: Float64Array
    """(n,) seconds from the start of the session."""
    emg: Float32Array
    """(n, 8) counts, in the device's order of channels."""
    angles: Float32Array
    """(n, 20) radians, of the right hand (a left one is its mirror image)."""
    kept: BoolArray
    """(n,) False where the radio lost the sample."""
    labels: tuple[tuple[float, str], ...]
    """When a movement began (seconds), and its name."""


class Stream:
    """One session's samples, one piece after another, for ever, in bounded memory."""

    def __init__(
        self,
        user: int,
        session: int,
        *,
        seed: int = 0,
        rate_hz: float = SPECTRUM_RATE_HZ,
        emg_mode: str = "raw",
        rotation_channels: float = 0.0,
        hand: Side = "right",
        variant: str = "A",
        script: Sequence[Step] | None = None,
        leave_out: Sequence[str] = (),
        losses: bool = True,
    ) -> None:
        """Make the wearer and the donning; no sample yet.

        Args:
            user: number of the user, from 0.
            session: number of the session (and donning) of that user, from 0.
            seed: everything's seed; other seeds are other people.
            rate_hz: samples a second, 50 to 1000. Mode `envelope` always gives 50, from 200.
            emg_mode: `raw`, `filtered` (no hum) or `envelope`.
            rotation_channels: turns the band further, in electrode distances.
            hand: the arm that wears the band.
            variant: generator `A` or `B`.
            script: poses to make, over and over, in place of free movement.
            leave_out: named poses that this hand never makes.
            losses: whether the radio loses packets.

        Raises:
            ValueError: an argument outside of these.
        """
        _check(user, session, rate_hz, emg_mode, variant)
        self.variant: Variant = VARIANTS[variant]
        self.person: Person = person(user, seed, self.variant)
        self.donning: Donning = donning(user, session, seed, self.variant)
        self.hand: Side = hand
        self.emg_mode = emg_mode
        self.rotation_channels = self.person.rotation_channels + self.donning.rotation_channels + rotation_channels
        self._inner_hz = SPECTRUM_RATE_HZ if emg_mode == "envelope" else rate_hz
        self.rate_hz = ENVELOPE_RATE_HZ if emg_mode == "envelope" else rate_hz
        self._envelope = Envelope(self._inner_hz) if emg_mode == "envelope" else None

        def rng(kind: str) -> np.random.Generator:
            return stream(seed, kind, user, self.variant, session)

        self._motion = Motion(self.person.habits, rng("motion"), script=script, leave_out=leave_out)
        sources = len(MUSCLES) * self.variant.territories
        self._carrier = Carrier(self.variant, self._inner_hz, sources, rng("carrier"), BLOCK_ROWS)
        self._drift = Drift(self.variant.drive_log_sd, self.variant.drive_hz, sources, rng("drive"))
        self._flicker = Drift(self.variant.flicker_log_sd, self.variant.flicker_hz, len(MUSCLES), rng("flicker"))
        audible = self.variant.notch_hz < self._inner_hz / 2
        self._notch = Notch(self.variant.notch_hz, self._inner_hz, BLOCK_ROWS) if audible else None
        self._disturbance = Disturbance(self.donning, rng("noise"), hum=emg_mode == "raw")
        self._radio = Radio(self.donning, rng("radio"), losses)
        self._mixing = self._gains()
        self._made = 0
        self._waiting: Block | None = None

    def take(self, n: int) -> Block:
        """The next n samples, lost ones included (`kept` marks those that arrived)."""
        blocks = [self._waiting] if self._waiting is not None else []
        missing = n - sum(len(block.t) for block in blocks)
        while missing > 0 or not blocks:
            blocks.append(self._next())
            missing -= len(blocks[-1].t)
        piece, self._waiting = _cut(_join(blocks), n)
        return piece

    def command(self, step: Step | None) -> None:
        """Make this pose from the next sample on, until something else is asked for; None: move as before.

        What was made ahead and not taken yet is dropped.
        """
        self._waiting = None
        self._motion.command(step, self._made / self._inner_hz + self.person.wiring.delay_s)

    def joints(self, angles: Float32Array) -> Float32Array:
        """The true pose (n, 63), mm, frame `hand`, of this wearer at these angles (n, 20)."""
        out = points(angles, self.person.bones).reshape(-1, VALUES)
        return out if self.hand == "right" else mirror(out)

    def _next(self) -> Block:
        first, dt = self._made, 1.0 / self._inner_hz
        t = (first + np.arange(BLOCK_ROWS, dtype=np.float64)) * dt
        self._made += BLOCK_ROWS
        angles = self._motion.at(t)[0][:, : len(ANGLES)]
        emg = self._emg(t, dt)
        if self._notch is not None:
            emg = self._notch.take(emg)
        emg += self._disturbance.at(t)
        labels = self._motion.forget(float(t[0]), float(t[-1]) + dt / 2)
        counts = digitise(emg)
        if self.hand == "left":
            counts = counts[:, MIRRORED_CHANNELS]
        if self._envelope is not None:
            step = round(self._inner_hz / self.rate_hz)
            counts, t, angles, first = (
                self._envelope.feed(counts),
                t[step - 1 :: step],
                angles[step - 1 :: step],
                first // step,
            )
        counts, kept = self._radio.carry(counts, BLOCK_ROWS * dt)
        return Block(first, t, counts, angles.astype(np.float32), kept, labels)

    def _emg(self, t: Float64Array, dt: float) -> Float64Array:
        """(n, 8) counts, before anything is disturbed."""
        who, wear = self.person, self.donning
        ahead = np.concatenate([[t[0] - dt], t, [t[-1] + dt]]) + who.wiring.delay_s
        state, rate, posture = self._motion.at(ahead)
        wrist = state[:, WRIST_FIRST:] + _tonic(posture)
        a = activation(
            who.wiring,
            state[:, : len(ANGLES)],
            rate[:, : len(ANGLES)],
            state[:, EFFORT, None],
            state[:, SQUEEZE, None],
            state[:, TONE, None],
            wrist,
        )
        drive = np.repeat(excitation(a, dt), self.variant.territories, axis=1).astype(np.float32)
        amplitude = (drive * self._drift.at(t)) ** np.float32(who.exponent)
        source = amplitude * self._carrier.take() * np.repeat(self._flicker.at(t), self.variant.territories, axis=1)
        turn = np.clip(posture[1:-1, 2] + wrist[1:-1, 4] - wrist[1:-1, 5], -1.0, 1.0)
        mixed = source @ self._mixing[0] + turn[:, None] * (source @ self._mixing[1])
        tired = 1.0 + wear.fatigue * np.minimum(t / _FATIGUE_S, 1.0)
        return np.asarray(mixed * tired[:, None])

    def _gains(self) -> tuple[Float32Array, Float32Array]:
        """Gains (s, 8) in counts at mid-pronation, and their change towards full pronation."""
        who, wear = self.person, self.donning
        pronated, supinated = (
            gains(who.arm, self.variant.gain_exponent, self.rotation_channels, wear.axial, turn) for turn in (1.0, -1.0)
        )
        scale = who.amplitude * wear.gain
        return ((pronated + supinated) / 2 * scale).astype(np.float32), ((pronated - supinated) / 2 * scale).astype(
            np.float32
        )


def session(
    user: int,
    session: int,
    seconds: float,
    *,
    seed: int = 0,
    rate_hz: float = SPECTRUM_RATE_HZ,
    emg_mode: str = "raw",
    rotation_channels: float = 0.0,
    hand: Side = "right",
    variant: str = "A",
    script: Sequence[Step] | None = None,
    leave_out: Sequence[str] = (),
    losses: bool = True,
) -> Recording:
    """A whole session: EMG, the true pose at 50 Hz, and a marker at the start of each movement.

    The same arguments give the same recording, bit for bit on one platform. The arguments are those of
    `Stream`; a longer session begins with the shorter one.

    Raises:
        ValueError: an argument outside of what `Stream` takes, or less than one sample.
    """
    source = Stream(
        user,
        session,
        seed=seed,
        rate_hz=rate_hz,
        emg_mode=emg_mode,
        rotation_channels=rotation_channels,
        hand=hand,
        variant=variant,
        script=script,
        leave_out=leave_out,
        losses=losses,
    )
    total = round(seconds * source.rate_hz)
    if total < 1:
        raise ValueError(f"seconds must be at least one sample long, got {seconds:g}")
    block = source.take(total)
    index = np.flatnonzero(block.kept)
    end = (total - 0.5) / source.rate_hz
    labelled = np.arange(0, total, max(1, round(source.rate_hz / LABEL_HZ)))
    meta = {
        "user": user,
        "session": session,
        "donning": session,
        "seed": seed,
        "generator": source.variant.label,
        "rotation_channels": round(source.rotation_channels, 4),
        "synthetic": True,
    }
    return Recording(
        emg=block.emg[index],
        t=block.t[index],
        sample=index.astype(np.int64),
        rate_hz=source.rate_hz,
        emg_mode=emg_mode,
        hand=hand,
        name=f"{source.variant.label.lower()}-seed{seed}-user{user:03d}-session{session}",
        label_t=block.t[labelled],
        joints=source.joints(block.angles[labelled]),
        markers=tuple(Marker(t, label) for t, label in block.labels if t < end),
        meta=meta,
    )


def _tonic(posture: Float64Array) -> Float64Array:
    """(n, 6) what it takes to hold the wrist's posture (n, 3)."""
    out = np.empty((len(posture), 6))
    for axis, share in enumerate(_TONIC):
        out[:, 2 * axis] = share * np.maximum(posture[:, axis], 0.0)
        out[:, 2 * axis + 1] = share * np.maximum(-posture[:, axis], 0.0)
    return out


def _check(user: int, session: int, rate_hz: float, emg_mode: str, variant: str) -> None:
    if user < 0 or session < 0:
        raise ValueError(f"user and session count from 0, got {user} and {session}")
    if emg_mode not in MODES:
        raise ValueError(f"emg_mode must be one of {', '.join(MODES)}, got {emg_mode!r}")
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise ValueError(f"rate_hz must be from {LOWEST_RATE_HZ:g} to {HIGHEST_RATE_HZ:g}, got {rate_hz:g}")
    if emg_mode == "envelope" and rate_hz not in (ENVELOPE_RATE_HZ, SPECTRUM_RATE_HZ):
        raise ValueError(f"mode envelope always gives {ENVELOPE_RATE_HZ:g} Hz, got rate_hz {rate_hz:g}")


def _join(blocks: Sequence[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    return Block(
        blocks[0].first,
        np.concatenate([block.t for block in blocks]),
        np.concatenate([block.emg for block in blocks]),
        np.concatenate([block.angles for block in blocks]),
        np.concatenate([block.kept for block in blocks]),
        tuple(label for block in blocks for label in block.labels),
    )


def _cut(block: Block, n: int) -> tuple[Block, Block | None]:
    if len(block.t) == n:
        return block, None
    now, later = (tuple(label for label in block.labels if (label[0] < block.t[n]) == early) for early in (True, False))
    head = Block(block.first, block.t[:n], block.emg[:n], block.angles[:n], block.kept[:n], now)
    return head, Block(block.first + n, block.t[n:], block.emg[n:], block.angles[n:], block.kept[n:], later)
