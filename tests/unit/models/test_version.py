"""The version that `hello` and the files carry."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest

from models import version as module
from models.version import NOT_INSTALLED, package_version


def test_it_is_that_of_the_installed_package() -> None:
    assert package_version() == version("myocast")


def test_sources_that_are_not_installed_have_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", missing)
    assert package_version() == NOT_INSTALLED
