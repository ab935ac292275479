"""Kinds of files that people have and that are no text and no MCAP: what reads them, or what to do with them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final, cast

from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from models.recording import Recording

Reader = Callable[[Path, BinaryIO, ReadConfig, ReadReport], Recording]
"""Reads a seekable file at its beginning."""

_HERE: Final = "drivers.sessions.formats"
_READERS: Final = (
    (b"XDF:", f"{_HERE}.xdf"),
    (b"\xffBIOSEMI", f"{_HERE}.edf"),
    (b"0       ", f"{_HERE}.edf"),
    (b"MATLAB 7.3", f"{_HERE}.hdf5"),
    (b"MATLAB 5.0", f"{_HERE}.matlab"),
    (b"\x89HDF\r\n\x1a\n", f"{_HERE}.hdf5"),
    (b"\x93NUMPY", f"{_HERE}.numpy_file"),
    (b"{", f"{_HERE}.json_file"),
    (b"[", f"{_HERE}.json_file"),
)
"""First bytes, and the module whose `read` is a `Reader`; imported when it is needed."""
_NUMPY_ARCHIVE: Final = f"{_HERE}.numpy_file"
_ZIP: Final = b"PK\x03\x04"

_TO_CSV: Final = "write its channels as CSV with the header `t,ch1,…,ch8`"
_OTHERS: Final = (
    (b"PAR1", "Parquet", f"read it with pandas.read_parquet, and {_TO_CSV}"),
    (b"SQLite format 3", "a SQLite database", f"query it, and {_TO_CSV}"),
    (b"#ROSBAG V2.0", "a ROS 1 bag", "convert it with `mcap convert`"),
    (b"7z\xbc\xaf'\x1c", "a 7z archive", "unpack it, and give the file in it"),
    (b"Rar!", "a RAR archive", "unpack it, and give the file in it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "save the sheet as CSV"),
    (b"%PDF", "a PDF", "give a session"),
    (b"\x80\x02", "a pickled Python object", f"load it where it was made, and {_TO_CSV}"),
    (b"\x80\x03", "a pickled Python object", f"load it where it was made, and {_TO_CSV}"),
    (b"\x80\x04", "a pickled Python object", f"load it where it was made, and {_TO_CSV}"),
    (b"\x80\x05", "a pickled Python object", f"load it where it was made, and {_TO_CSV}"),
    (b"RIFF", "a WAV or AVI file", f"read it with scipy.io.wavfile, and {_TO_CSV}"),
    (b"\x89PNG", "a picture", "give a session"),
    (b"\xff\xd8\xff", "a picture", "give a session"),
)
HEAD_BYTES: Final = 256
"""Bytes from the beginning of a file that tell its kind."""


def reader_of(head: bytes) -> Reader | None:
    """The function that reads files that begin like this; None if there is none."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n") if head[:1] != b"0" else head
    for mark, module in _READERS:
        # A row of text may begin like the header of EDF, but ends sooner.
        if text.startswith(mark) and not (mark.startswith(b"0") and b"\n" in head):
            return cast(Reader, import_module(module).read)
    return None


def check_known(path: Path, head: bytes) -> None:
    """Check that a file is of no kind that Myocast knows and cannot read.

    Raises:
        SessionError: it is; the message says what it is, and the way out.
    """
    for mark, name, advice in _OTHERS:
        if head.startswith(mark):
            raise SessionError(f"{path}: is {name}; {advice}")


def archive_reader(file: BinaryIO) -> Reader | None:
    """The reader of a zip of NumPy arrays (.npz); None for any other file. The position stays at the beginning."""
    head = file.read(len(_ZIP))
    file.seek(0)
    if head != _ZIP:
        return None
    from zipfile import BadZipFile, ZipFile

    try:
        names = ZipFile(file).namelist()
    except (BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError):
        names = []
    file.seek(0)
    if names and all(name.endswith(".npy") for name in names):
        return cast(Reader, import_module(_NUMPY_ARCHIVE).read)
    return None
