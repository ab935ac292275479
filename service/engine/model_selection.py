"""Selection of the model for a source: the file that the user gave, or the shipped model that fits."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from drivers.events import SourceInfo
from models.spec import ModelError
from service.engine.predictor import ModelFile


def shipped() -> list[Path]:
    """Return the model files that come with Myocast."""
    folder = Path(str(files("service") / "weights"))
    return sorted(folder.glob("*.onnx"))


class ModelSelector:
    """Chooses a model file for each source. A file is read when it is first needed."""

    def __init__(self, path: Path | None = None) -> None:
        self._given = None if path is None else ModelFile(path)
        self._shipped: list[ModelFile] | None = None
        if self._given is not None:
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

    def fit(self, info: SourceInfo) -> ModelFile | None:
        """Choose a model for this source; return None where no shipped model fits.

        Raises:
            ModelError: the model that the user gave does not fit.
        """
        if self._given is not None:
            return self._fit_given(self._given, info)
        for model in self.shipped():
            if model.spec.mismatch(info.rate_hz, info.unit, info.emg_mode) is None:
                return model
        return None

    def _fit_given(self, model: ModelFile, info: SourceInfo) -> ModelFile:
        why = model.spec.mismatch(info.rate_hz, info.unit, info.emg_mode)
        if why is not None:
            raise ModelError(
                f"{model.path.name} does not fit {info.uri}: {why}; "
                "choose another --model, or leave it out to use a shipped one"
            )
        return model


def no_fit(info: SourceInfo) -> str:
    """Explain in one line why a source is served without poses."""
    return (
        f"no shipped model fits {info.uri} ({info.rate_hz:g} Hz, {info.emg_mode}, {info.unit}): "
        "serving and recording EMG without poses; train one with `myocast train` and give it with --model"
    )
