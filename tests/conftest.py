"""Fixtures that more than one test module uses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.models_onnx import stream_model, window_model
from tests.support.console import Console

# How long an example takes depends on what else the machine does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

REPOSITORY = Path(__file__).resolve().parents[1]
LONGEST = ("training", "tutorials", "docker", "docs", "browser", "unity")
"""Folders of tests/integration in the order of how long their files take."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the files, begin with the longest, so that none of them is alone at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    kind, folder = (*item.path.relative_to(REPOSITORY / "tests").parts, "")[:2]
    if kind != "integration":
        return len(LONGEST) + 1
    return LONGEST.index(folder) if folder in LONGEST else len(LONGEST)


@pytest.fixture(autouse=True)
def _logs_as_at_first() -> None:
    """Verbs that run in this process, and libraries that they load, change for later tests what is logged."""
    logging.disable(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)
    ours = logging.getLogger("myocast")
    ours.disabled, ours.propagate = False, True
    ours.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A window model and a streaming model, both for 200 Hz raw adc."""
    folder = tmp_path_factory.mktemp("models")
    return window_model(folder / "tiny_window.onnx"), stream_model(folder / "tiny_stream.onnx")


@pytest.fixture(scope="session")
def tiny_window(tiny_models: tuple[Path, Path]) -> Path:
    return tiny_models[0]


@pytest.fixture(scope="session")
def tiny_stream(tiny_models: tuple[Path, Path]) -> Path:
    return tiny_models[1]


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """Runs `myocast` as its users do, in an empty working directory; ends what a test left running."""
    runner = Console(REPOSITORY, tmp_path)
    yield runner
    runner.close()
