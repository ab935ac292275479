"""Which model serves which source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drivers.events import SourceInfo
from models.spec import ModelError
from service.engine import model_selection
from service.engine.model_selection import ModelSelector, no_fit
from service.engine.predictor import ModelFile
from tests.fakes.models_onnx import spec_of, window_model
from tests.fakes.sources import INFO


@pytest.fixture
def two_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = window_model(tmp_path / "a.onnx", spec_of(name="raw"))
    envelope = window_model(tmp_path / "b.onnx", spec_of(name="envelope", rate_hz=50.0, emg_mode="envelope"))
    monkeypatch.setattr(model_selection, "shipped", lambda: [raw, envelope])


@pytest.mark.usefixtures("two_shipped")
@pytest.mark.parametrize(
    ("info", "name"),
    [
        (INFO, "raw"),
        (replace(INFO, rate_hz=50.0, emg_mode="envelope"), "envelope"),
        (replace(INFO, rate_hz=195.0), "raw"),
        (replace(INFO, rate_hz=250.0, unit="uV"), None),
        (replace(INFO, rate_hz=50.0), None),
        (replace(INFO, emg_mode="filtered"), None),
    ],
)
def test_without_a_model_the_shipped_one_that_fits(info: SourceInfo, name: str | None) -> None:
    found = ModelSelector().fit(info)
    assert (found.spec.name if found else None) == name


def test_what_is_shipped_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> list[Path]:
        raise AssertionError

    monkeypatch.setattr(model_selection, "shipped", never)
    ModelSelector()


def test_every_shipped_model_opens_and_fits_what_the_contract_names() -> None:
    models = [ModelFile(path) for path in model_selection.shipped()]
    for model in models:
        model.open()
        assert len(model.data) <= 2 * 2**20
    if not models:
        pytest.skip("no model is shipped in service/weights yet")
    assert ModelSelector().fit(SourceInfo("demo:", "", 200.0)) is not None
    assert ModelSelector().fit(SourceInfo("text:", "", 60.0, "uV")) is None


def test_a_given_model_is_taken_whatever_is_shipped(tiny_window: Path) -> None:
    found = ModelSelector(tiny_window).fit(INFO)
    assert found is not None
    assert found.spec.name == "tiny"


@pytest.mark.parametrize(
    ("info", "why"),
    [
        (replace(INFO, rate_hz=250.0), "expected 200 Hz, found 250 Hz"),
        (replace(INFO, unit="uV"), "expected EMG in unit `adc`, found `uV`"),
        (replace(INFO, emg_mode="envelope"), "expected emg_mode `raw`, found `envelope`"),
    ],
)
def test_a_given_model_that_does_not_fit_is_refused(tiny_window: Path, info: SourceInfo, why: str) -> None:
    with pytest.raises(ModelError) as refused:
        ModelSelector(tiny_window).fit(info)
    message = str(refused.value)
    assert why in message
    assert "--model" in message
    assert info.uri in message


def test_a_given_model_is_checked_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        ModelSelector(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="expected `emg`"):
        ModelSelector(window_model(tmp_path / "m.onnx", rows=99))


def test_why_there_are_no_poses_is_one_line() -> None:
    line = no_fit(replace(INFO, uri="cyton:COM3", rate_hz=250.0, unit="uV"))
    assert "\n" not in line
    assert all(part in line for part in ("cyton:COM3", "250 Hz", "uV", "--model"))
