"""Models by name: a folder, the given one, the shipped ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.engine.model_library import ModelExists, ModelLibrary, UnknownModel
from service.engine.model_selection import ModelSelector
from tests.fakes.models_onnx import spec_of, window_model


def test_a_folder_that_is_not_there(tmp_path: Path, tiny_window: Path) -> None:
    library = ModelLibrary(tmp_path / "none", ModelSelector(tiny_window))
    assert list(library.models()) == [tiny_window.stem, "envelope50", "raw200"]
    with pytest.raises(UnknownModel, match=r"no model 'x'; there are .*raw200"):
        library.get("x")


def test_the_folder_comes_first_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    window_model(tmp_path / "raw200.onnx", spec_of(name="mine"))
    library = ModelLibrary(tmp_path, ModelSelector())
    first = library.get("raw200")
    assert first.spec.name == "mine"
    assert library.get("raw200") is first
    (tmp_path / "raw200.onnx").unlink()
    assert library.get("raw200").spec.name != "mine"


def test_a_kept_model_is_never_overwritten(tmp_path: Path, tiny_window: Path) -> None:
    library = ModelLibrary(tmp_path / "new", ModelSelector())
    content = tiny_window.read_bytes()
    kept = library.keep("anna", content)
    assert kept.path.read_bytes() == content
    with pytest.raises(ModelExists, match=r"anna\.onnx exists already"):
        library.keep("anna", b"")
    assert library.get("anna").sha256 == kept.sha256
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["anna.onnx"]


def test_a_model_that_is_there_already_is_never_hidden(tmp_path: Path, tiny_window: Path) -> None:
    library = ModelLibrary(tmp_path / "new", ModelSelector(tiny_window))
    for name in ("raw200", tiny_window.stem):
        with pytest.raises(ModelExists, match=f"{name} is the name of a model .*would be hidden; choose another"):
            library.keep(name, b"")
    assert not (tmp_path / "new").exists()


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "nowhere.onnx").symlink_to(tmp_path / "missing")
    assert list(ModelLibrary(tmp_path, ModelSelector()).models()) == ["envelope50", "raw200"]
