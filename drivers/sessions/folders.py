"""Find sessions in files and folders, and read them one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from drivers.sessions.reader import read_session
from drivers.sessions.report import SessionError
from models.recording import Recording

_SUFFIXES: Final = (".mcap", ".csv", ".txt", ".tsv")
_NO_SESSIONS: Final = frozenset({"manifest.csv", "checksums.txt", "curated.txt"})

Loader = Callable[[], Recording]


def sessions_in(paths: Iterable[str | Path]) -> Iterator[tuple[Path, Loader]]:
    """Each session of the given files and folders (searched to any depth), in the order of their names.

    Nothing is read until a loader is called (`read_session`, with its errors); keep one recording at a time.

    Raises:
        SessionError: a path does not exist, or a folder holds no sessions.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            if not path.exists():
                raise SessionError(f"{path}: no such file or folder; give sessions, or folders of sessions")
            yield path, partial(read_session, path)
            continue
        empty = True
        for file in sorted(path.rglob("*")):
            if _is_session(file):
                empty = False
                yield file, partial(read_session, file)
        if empty:
            raise SessionError(f"{path}: holds no sessions; expected {', '.join(_SUFFIXES)} files, also .gz")


def _is_session(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    hidden = name.startswith((".", "license", "readme"))
    return not hidden and name.endswith(_SUFFIXES) and name not in _NO_SESSIONS and path.is_file()
