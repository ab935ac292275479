"""BrainFlow, and MindRove's package, which has the same interface: what boards there are, and how one is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol, cast

from drivers.errors import DriverError
from drivers.uri import SourceUri
from models.arrays import Float64Array

PLAYBACK: Final = -3
STREAMING: Final = -2
"""Boards that stand for another one: a file of it, and what another program sends of it."""
MINDROVE_WIFI: Final = 0
MICROVOLTS_PER_COUNT: Final = 0.045
"""Scale of MindRove's packages before 5.0; later ones give microvolts (docs.mindrove.com, data format)."""
PARAMETERS: Final = {
    "serial_port": "serial_port",
    "mac": "mac_address",
    "ip_address": "ip_address",
    "ip_port": "ip_port",
    "serial_number": "serial_number",
    "other_info": "other_info",
    "timeout": "timeout",
    "file": "file",
    "master_board": "master_board",
}
"""Names of options, and of the parameters that they are to the library."""
_NUMBERS: Final = {"ip_port": 65_535, "timeout": 600}
_ADVICE: Final = {
    1: "it is open in another program; close that",
    2: "the port cannot be opened; check ?serial_port=, and that no other program uses it",
    3: "the port cannot be set up; check ?serial_port=",
    4: "it cannot be written to; check that it is on",
    5: "it does not answer; check that it is on and in reach",
    6: "it does not answer as it should; check that it is on, and the board's number",
    7: "it is not ready; check that it is on and in reach",
    13: "it needs another option; give what it is reached by: ?serial_port=, ?mac=, ?ip_address=&ip_port= or ?file=",
    14: "this library does not know it; see the list of boards in its documentation",
    16: "it is open already; close what uses it",
    17: "it cannot be opened; close other programs that read it, and check that it is on and in reach",
    18: "it does not answer in time; check that it is on and in reach",
}
"""What to do, by the library's exit code."""


class Board(Protocol):
    """An opened board, as far as it is used; every call may raise the library's error, and may take seconds."""

    def prepare_session(self) -> None:
        """Connect."""

    def config_board(self, config: str) -> str:
        """Send a text that the board understands."""

    def start_stream(self, num_samples: int) -> None:
        """Begin to fill a buffer of so many samples."""

    def get_board_data(self) -> Float64Array:
        """Take everything out of the buffer: (rows, samples)."""

    def stop_stream(self) -> None:
        """Stop."""

    def release_session(self) -> None:
        """Disconnect."""


@dataclass(frozen=True, slots=True)
class BoardDescription:
    """What the library knows of a kind of board."""

    name: str
    rate_hz: float
    channels: tuple[int, ...]
    """Rows of EMG."""
    package: int
    """Row of the counter of packages."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library whose interface is BrainFlow's."""

    name: str
    board: Callable[[int, object], Board]
    parameters: Callable[[], object]
    describe_board: Callable[[int], Mapping[str, object]]
    boards: type[IntEnum]
    error: type[Exception]
    scale: float = 1.0
    """Microvolts for one unit of its EMG."""

    def number_of(self, uri: SourceUri) -> int:
        """The board that a URI names, by its number or the library's name for it. Raises DriverError."""
        text = uri.target or (str(MINDROVE_WIFI) if uri.scheme == "mindrove" else "")
        names = {board.name.casefold(): board.value for board in self.boards if board.value > -100}
        wanted = text.casefold()
        for name in (wanted, f"{wanted}_board"):
            if name in names:
                return int(names[name])
        if text.removeprefix("-").isascii() and text.removeprefix("-").isdecimal() and int(text) in names.values():
            return int(text)
        raise DriverError(
            f"{uri.text!r} names no board that {self.name} knows; expected a number or a name, such as "
            f"{uri.scheme}:-1 (synthetic) or {uri.scheme}:{'0' if uri.scheme == 'mindrove' else 'cyton'}"
        )

    def describe(self, board: int, uri: SourceUri) -> BoardDescription:
        """What the library knows of a board. Raises DriverError where it has no EMG or similar."""
        try:
            found = self.describe_board(board)
        except self.error as error:
            raise DriverError(f"{uri.text!r}: {self.explain(error)}") from None
        rows = next((found[key] for key in ("emg_channels", "exg_channels", "eeg_channels") if key in found), ())
        rate_hz = float(cast(float, found.get("sampling_rate", 0)))
        channels = tuple(int(row) for row in cast("list[int]", rows))
        if not channels or rate_hz <= 0:
            raise DriverError(f"{uri.text!r}: {found.get('name', 'this board')} has no channels of EMG")
        return BoardDescription(
            str(found.get("name", f"board {board}")),
            rate_hz,
            channels,
            int(cast(int, found.get("package_num_channel", 0))),
        )

    def options(self, uri: SourceUri) -> dict[str, str | int]:
        """What a board is reached by, by the names of the library. Raises DriverError."""
        return {
            parameter: self._value(option, uri) for option, parameter in PARAMETERS.items() if option in uri.options
        }

    def open(self, board: int, options: Mapping[str, str | int]) -> Board:
        """Make the board's object; nothing is connected yet.

        There must never be two for the same board and options: the library takes their sessions for one, and ends it
        when either is deleted.
        """
        parameters = self.parameters()
        for parameter, value in options.items():
            setattr(parameters, parameter, value)
        return self.board(board, parameters)

    def explain(self, error: Exception) -> str:
        """Say in one line what an error of the library means, and what to do."""
        code = getattr(error, "exit_code", None)
        return _ADVICE.get(code, f"{self.name} says {' '.join(str(error).split())}") if code else str(error)

    def _value(self, option: str, uri: SourceUri) -> str | int:
        text = uri.options[option]
        if option in _NUMBERS:
            return int(uri.number(option, 0, 0, _NUMBERS[option]))
        if option == "master_board":
            return self.number_of(SourceUri(uri.text, uri.scheme, text))
        if option == "file" and not Path(text).expanduser().is_file():
            raise uri.problem(option, "there is no such file")
        return str(Path(text).expanduser()) if option == "file" else text


def library(scheme: str) -> Library:
    """Load the library of a scheme.

    Raises:
        DriverError: it does not run on this system.
        ModuleNotFoundError: it is not installed.
    """
    name, prefix = ("MindRove", "MindRove") if scheme == "mindrove" else ("BrainFlow", "BrainFlow")
    try:
        module = import_module(f"{scheme}.board_shim")
        shim = module.BoardShim
        # It would write what it does to stderr, beside our own log.
        shim.disable_board_logger()
    except (OSError, NotImplementedError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise DriverError(f"`{scheme}:` {name}'s library does not run on this system ({reason})") from None
    return Library(
        name,
        shim,
        getattr(module, f"{prefix}InputParams"),
        shim.get_board_descr,
        module.BoardIds,
        getattr(import_module(f"{scheme}.exit_codes"), f"{prefix}Error"),
        MICROVOLTS_PER_COUNT if scheme == "mindrove" and int(version("mindrove").partition(".")[0]) < 5 else 1.0,
    )
