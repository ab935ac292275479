"""What error messages tell a person to type, for each way Myocast may be installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from models import installation
from models.installation import install_command, requirements

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


@pytest.fixture(autouse=True)
def pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that has pip, whether or not this one does."""
    monkeypatch.setattr(installation, "find_spec", lambda name: importlib.util.find_spec("sys"))


def test_in_a_checkout_the_command_is_short(checkout: Path) -> None:
    command = install_command("lsl", root=checkout, python=checkout / ".venv" / "bin" / "python", folder=checkout)
    assert command == ".venv/bin/python -m pip install --constraint constraints.txt --editable '.[lsl]'"


def test_in_another_folder_it_names_the_checkout(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    command = install_command("lsl", root=checkout, python=python, folder=checkout / "recordings")
    assert command == f"{python} -m pip install --constraint {checkout}/constraints.txt --editable '{checkout}[lsl]'"


def test_a_path_with_a_blank_is_quoted(checkout: Path) -> None:
    command = install_command("lsl", root=checkout, python=Path("/my tools/python"), folder=checkout)
    assert command.startswith("'/my tools/python' -m pip install ")


def test_an_installed_wheel_gets_the_packages_themselves(tmp_path: Path) -> None:
    command = install_command("serial", root=tmp_path, python=Path("/opt/myocast/bin/python"), folder=tmp_path)
    assert command == "/opt/myocast/bin/python -m pip install 'pyserial>=3.5'"


def test_an_environment_without_pip_is_given_to_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    command = install_command("serial", root=tmp_path, python=Path("/opt/myocast/bin/python"), folder=tmp_path)
    assert command == "uv pip install --python /opt/myocast/bin/python 'pyserial>=3.5'"


def test_every_extra_has_its_packages_for_this_platform() -> None:
    assert requirements("ble") == ["bleak>=3.0.2"]
    assert {"keras>=3.8", "onnx>=1.17"} <= set(requirements("train"))
    tensorflow = [each for each in requirements("train") if each.startswith("tensorflow")]
    assert len(tensorflow) == 1
    assert requirements("nonsense") == []


def test_no_message_names_a_package_that_is_on_no_index() -> None:
    for folder in ("drivers", "models", "exporters", "service", "myocast", "clients/python"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            assert "'myocast[" not in path.read_text(), path
