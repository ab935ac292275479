"""What a release writes and refuses, on a copy of the files with versions."""

from __future__ import annotations

import datetime
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from tools.release import (
    CHANGELOG,
    FOLLOWERS,
    PROJECT,
    ROOT,
    ReleaseError,
    check_npm,
    check_versions,
    set_version,
    version_in,
)

DAY = datetime.date(2030, 1, 2)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in (PROJECT, CHANGELOG, *FOLLOWERS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_repository_has_one_version() -> None:
    assert check_versions() == version_in(ROOT / PROJECT)


def test_a_version_is_written_everywhere_and_the_changelog_gets_a_section(copy: Path) -> None:
    before = {name: (copy / name).read_text() for name in FOLLOWERS}
    set_version("9.8.7", copy, DAY)
    assert check_versions(copy) == "9.8.7"
    for name, text in before.items():
        changed = [
            (old, new)
            for old, new in zip(text.splitlines(), (copy / name).read_text().splitlines(), strict=True)
            if old != new
        ]
        assert 1 <= len(changed) <= 2, name
        assert all("version" in old and "9.8.7" in new for old, new in changed)
    text = (copy / CHANGELOG).read_text()
    assert "## Unreleased\n\n## 9.8.7 (2030-01-02)\n" in text


def test_a_file_with_another_version_is_named(copy: Path) -> None:
    file = copy / "clients/unity/package.json"
    file.write_text(file.read_text().replace(version_in(file), "0.0.9", 1))
    with pytest.raises(ReleaseError, match=r"clients/unity/package\.json says 0\.0\.9"):
        check_versions(copy)


@pytest.mark.parametrize("version", ["1", "1.2", "v1.2.3", "1.2.3-beta", ""])
def test_what_is_no_version_is_refused(copy: Path, version: str) -> None:
    with pytest.raises(ReleaseError, match="is no version"):
        set_version(version, copy, DAY)


def test_an_empty_section_is_refused_and_nothing_is_written(copy: Path) -> None:
    set_version("9.8.7", copy, DAY)
    with pytest.raises(ReleaseError, match="nothing below `## Unreleased`"):
        set_version("9.8.8", copy, DAY)
    assert check_versions(copy) == "9.8.7"


def archive(folder: Path, **files: str) -> Path:
    path = folder / "a.tgz"
    with tarfile.open(path, "w:gz") as opened:
        for name, text in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/").replace("_json", ".json"))
            entry.size = len(text)
            opened.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_archives_of_npm_have_the_version_and_a_licence_and_nothing_strange(tmp_path: Path) -> None:
    manifest = json.dumps({"version": "1.0.0"})
    check_npm(archive(tmp_path, package__package_json=manifest, package__LICENSE="MIT"), "1.0.0")
    with pytest.raises(ReleaseError, match="says version"):
        check_npm(archive(tmp_path, package__package_json=manifest, package__LICENSE="MIT"), "1.0.1")
    with pytest.raises(ReleaseError, match="no licence"):
        check_npm(archive(tmp_path, package__package_json=manifest), "1.0.0")
    with pytest.raises(ReleaseError, match="not of the package"):
        check_npm(
            archive(tmp_path, package__package_json=manifest, package__LICENSE="", package__node_modules__x=""), "1.0.0"
        )
