"""A recorded session of another band as a model expects it, by what serving does to such a signal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.alignment import template_of_model
from models.architectures.base import NetworkConfig
from models.conditioning import SignalConditioner
from models.data.segments import conform
from models.level import ModelLevel, RunningGain
from models.recording import Recording
from models.spec import ModelSpec


def as_model_expects(recording: Recording, spec: ModelSpec) -> Recording:
    """A session in a model's unit, at its rate and level: filtered, resampled, multiplied with its own running gain.

    A session of the model's rate and unit is returned as it is, and so is one of a model that does not tell its level.

    Raises:
        DataError: it holds envelopes where raw EMG is needed.
    """
    template = template_of_model(spec)
    if template is None or (spec.unit == recording.unit and spec.fits_rate(recording.rate_hz)):
        return recording
    if spec.unit == recording.unit and recording.emg_mode != spec.emg_mode:
        return recording  # Envelopes are made of the raw EMG of the same armband.
    if recording.emg_mode != "envelope":
        recording = filtered(recording)
    fitted = conform(recording, NetworkConfig.of(spec))
    running = RunningGain(fitted.rate_hz, ModelLevel.of(template))
    running.push(fitted.emg)
    if running.gain is None:
        return fitted
    return replace(fitted, emg=np.asarray(fitted.emg * running.gain, np.float32), unit=spec.unit)


def filtered(recording: Recording) -> Recording:
    """Raw EMG without offset and mains, within the band of a Myo; every run without gaps on its own."""
    conditioner = SignalConditioner(recording.rate_hz)
    parts = []
    for part in recording.segments():
        conditioner.restart()
        parts.append(conditioner.take(recording.emg[part]))
    return replace(recording, emg=np.concatenate(parts) if parts else recording.emg)
