"""numpy's threads while serving."""

from __future__ import annotations

import os

import pytest

from service.cli import limit_threads


@pytest.mark.parametrize(
    ("arguments", "given", "expected"),
    [(["serve", "demo:"], None, "1"), (["serve"], "2", "2"), (["train", "serve"], None, None), ([], None, None)],
)
def test_one_thread_while_serving_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], given: str | None, expected: str | None
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", given or "")
    if given is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    limit_threads(arguments)
    assert os.environ.get("OPENBLAS_NUM_THREADS") == expected
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")
