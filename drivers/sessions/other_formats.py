"""Kinds of files that people have and that are no text and no MCAP: their names, and what to do with them."""

from __future__ import annotations

from typing import Final

_TO_CSV: Final = "write its channels as CSV with the header `t,ch1,…,ch8`"
_KINDS: Final = (
    (b"XDF:", "XDF (LabRecorder)", f"read it with pyxdf, and {_TO_CSV}"),
    (b"0       ", "EDF", f"read it with edfio or pyedflib, and {_TO_CSV}"),
    (b"\xffBIOSEMI", "BDF", f"read it with edfio or pyedflib, and {_TO_CSV}"),
    (b"MATLAB 5.0", "a MATLAB file", f"read it with scipy.io.loadmat, and {_TO_CSV}"),
    (b"MATLAB 7.3", "a MATLAB file (HDF5)", f"read it with h5py, and {_TO_CSV}"),
    (b"\x89HDF\r\n\x1a\n", "HDF5", f"read it with h5py, and {_TO_CSV}"),
    (b"\x93NUMPY", "a NumPy array", f"read it with numpy.load, and {_TO_CSV}"),
    (b"PAR1", "Parquet", f"read it with pandas.read_parquet, and {_TO_CSV}"),
    (b"SQLite format 3", "a SQLite database", f"query it, and {_TO_CSV}"),
    (b"#ROSBAG V2.0", "a ROS 1 bag", "convert it with `mcap convert`"),
    (b"7z\xbc\xaf'\x1c", "a 7z archive", "unpack it, and give the file in it"),
    (b"Rar!", "a RAR archive", "unpack it, and give the file in it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "save the sheet as CSV"),
    (b"%PDF", "a PDF", "give a session"),
    (b"\x80\x04", "a pickled Python object", f"load it where it was made, and {_TO_CSV}"),
    (b"\x80\x05", "a pickled Python object", f"load it where it was made, and {_TO_CSV}"),
    (b"RIFF", "a WAV or AVI file", f"read it with scipy.io.wavfile, and {_TO_CSV}"),
)
HEAD_BYTES: Final = 256
"""Bytes from the beginning of a file that tell its kind."""


def name_of(head: bytes) -> str | None:
    """What a file is by its first bytes, with the way out, as the end of a sentence; None if it is not known."""
    for mark, name, advice in _KINDS:
        # A row of text may begin like the header of EDF, but ends sooner.
        if head.startswith(mark) and not (name == "EDF" and b"\n" in head):
            return f"is {name}; {advice}"
    if head[:1] in (b"{", b"["):
        return f"is JSON; {_TO_CSV}"
    return None
