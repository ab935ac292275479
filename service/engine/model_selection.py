"""Selection of the model for a source: the file that the user gave, or the shipped model that fits."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from drivers.events import SourceInfo
from models.spec import ModelError
from service.engine.predictor import LEAST_ENVELOPE_HZ, LEAST_RAW_HZ, ModelFile


def shipped() -> list[Path]:
    """Return the model files that come with Myocast."""
    folder = Path(str(files("service") / "weights"))
    return sorted(folder.glob("*.onnx"))


NO_MODEL: Final = Path("none")
"""In place of a model file: EMG is served without poses."""


class ModelSelector:
    """Chooses a model file for each source. A file is read when it is first needed.

    Args:
        path: the file that the user gave; `none`: no source gets a model.
        prove: try files that do not come with Myocast in a process of their own before they are opened.
    """

    def __init__(self, path: Path | None = None, *, prove: bool = False) -> None:
        self.prove = prove
        self.without_model = path == NO_MODEL
        """Whether no source gets a model."""
        self._given = None if path is None or self.without_model else ModelFile(path)
        self._shipped: list[ModelFile] | None = None
        if self._given is not None:
            if prove:
                self._given.prove()
            self._given.open()

    @property
    def given(self) -> ModelFile | None:
        """The file that the user gave."""
        return self._given

    def shipped(self) -> list[ModelFile]:
        """The models that come with Myocast."""
        if self._shipped is None:
            self._shipped = [ModelFile(path) for path in shipped()]
        return self._shipped

    def fit(self, info: SourceInfo, gain: float | None = None) -> ModelFile | None:
        """Choose a model for this source: one of its rate and unit before one that adapts to them.

        Args:
            gain: factor to the level of the model's own armband, where the user gave it.

        Returns:
            None where no shipped model fits.

        Raises:
            ModelError: the model that the user gave does not fit.
        """
        if self.without_model:
            return None
        if self._given is not None:
            return self._fit_given(self._given, info, gain)
        for model in self.shipped():
            if model.spec.mismatch(info.rate_hz, info.unit, info.emg_mode) is None:
                return model
        for model in self.shipped():
            if model.mismatch(info.rate_hz, info.unit, info.emg_mode, gain) is None:
                return model
        return None

    def _fit_given(self, model: ModelFile, info: SourceInfo, gain: float | None) -> ModelFile:
        why = model.mismatch(info.rate_hz, info.unit, info.emg_mode, gain)
        if why is not None:
            raise ModelError(
                f"{model.path.name} does not fit {info.uri}: {why}; "
                "choose another --model, or leave it out to use a shipped one"
            )
        return model


def no_fit(info: SourceInfo) -> str:
    """Explain in one line why a source is served without poses."""
    least = LEAST_ENVELOPE_HZ if info.emg_mode == "envelope" else LEAST_RAW_HZ
    needs = f"; they need at least {least:g} Hz" if info.rate_hz < least else ""
    return (
        f"no shipped model fits {info.uri} ({info.rate_hz:g} Hz, {info.emg_mode}, {info.unit}){needs}: "
        "serving and recording EMG without poses; train one with `myocast train` and give it with --model"
    )
