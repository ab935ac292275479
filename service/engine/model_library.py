"""The model files that a person can choose from while serving, by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from models.errors import MyocastError
from models.printable import printable
from models.spec import ModelError
from service.engine.model_selection import ModelSelector
from service.engine.predictor import ModelFile

SUFFIX: Final = ".onnx"


class UnknownModel(MyocastError):
    """No model of that name."""


class ModelExists(MyocastError):
    """A model file of that name is there already."""


class ModelLibrary:
    """Models in a folder, the one that the user gave, and the shipped ones; the first of a name counts.

    A name is that of a file without `.onnx`. Files are read when they are asked for, so call it on a thread that may
    wait for the disk.

    Args:
        folder: need not exist before a model is kept.
    """

    def __init__(self, folder: Path, selector: ModelSelector) -> None:
        self.folder, self._selector = folder, selector
        self._read: dict[Path, tuple[int, ModelFile]] = {}

    def models(self) -> dict[str, ModelFile]:
        """All models by name; files that are no models are left out."""
        found: dict[str, ModelFile] = {}
        for model in (*self._kept(), *self._others()):
            found.setdefault(name_of(model), model)
        return found

    def get(self, name: str) -> ModelFile:
        """The model of a name.

        Raises:
            UnknownModel: there is none.
            ModelError: it was tried now, and takes too much or fails.
        """
        models = self.models()
        if name not in models:
            raise UnknownModel(f"no model {name!r}; there are {', '.join(models) or 'none'}")
        model = models[name]
        if self._selector.prove and model not in self._others():
            model.prove()
        return model

    def keep(self, name: str, content: bytes) -> ModelFile:
        """Write a new model file into the folder.

        Raises:
            ModelExists: there is a file of that name, or a model that it would hide.
            OSError: it cannot be written.
        """
        if name in map(name_of, self._others()):
            raise ModelExists(
                f"{name} is the name of a model that is there already and would be hidden; choose another"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}{SUFFIX}"
        try:
            file = path.open("xb")
        except FileExistsError:
            raise ModelExists(f"{path} exists already; models are never overwritten, choose another name") from None
        try:
            with file:
                file.write(content)
        except OSError:
            path.unlink()
            raise
        return ModelFile(path)

    def _kept(self) -> Iterator[ModelFile]:
        for path in sorted(self.folder.glob(f"[!.]*{SUFFIX}")):
            if not path.is_file():
                continue  # opening a named pipe would wait for its writer
            try:
                yield self._open(path)
            except (ModelError, OSError):
                continue

    def _open(self, path: Path) -> ModelFile:
        changed = path.stat().st_mtime_ns
        known = self._read.get(path)
        if known is None or known[0] != changed:
            known = self._read[path] = changed, ModelFile(path)
        return known[1]

    def _others(self) -> list[ModelFile]:
        given = [] if self._selector.given is None else [self._selector.given]
        return [*given, *self._selector.shipped()]


def name_of(model: ModelFile) -> str:
    """The name by which a model file is chosen."""
    return printable(model.path.name.removesuffix(SUFFIX))
