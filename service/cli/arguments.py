"""Source URIs and session files from the arguments of verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from drivers import demo
from drivers.uri import SCHEMES

SESSION_ENDINGS: Final = (
    *(".mcap", ".csv", ".txt", ".csv.gz", ".txt.gz"),
    *(".npz", ".npy", ".xdf", ".edf", ".bdf", ".mat", ".h5", ".hdf5"),
)


def source_uri(text: str) -> str:
    """Give the source URI of a SOURCE argument, for which the name of a recording may stand too.

    A name that is no URI and is, or ends like, a session file becomes `replay:FILE`; options may follow as in a URI.
    """
    scheme, colon, _ = text.partition(":")
    name, question, options = text.partition("?")
    file = Path(name).expanduser()
    if (colon and scheme in SCHEMES) or not (file.is_file() or name.endswith(SESSION_ENDINGS)):
        return text
    return f"replay:{quote(str(file))}{question}{options}"


def session_file(text: str) -> Path:
    """Give the file of a session argument, for which the sources `demo:` and `replay:FILE` may stand too."""
    scheme, colon, rest = text.partition(":")
    if text == "demo:":
        return demo.SESSION
    return Path(unquote(rest) if colon and scheme == "replay" else text).expanduser()
