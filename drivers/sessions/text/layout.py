"""What each column of a text file is: by its name, by what the user says, or by its values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from drivers.sessions.read_config import FileUnit, ReadConfig
from drivers.sessions.report import SessionError
from drivers.sessions.text.columns import LEAST_ROWS, grows, is_class, is_counter, is_unix, leading_columns
from drivers.uri import eight_channels
from models.arrays import Float64Array
from models.hand import CHANNELS, POINTS, VALUES
from models.kinematics import ANGLES

CHANNEL_NAMES: Final = tuple(f"ch{channel}" for channel in range(1, CHANNELS + 1))
JOINT_NAMES: Final = tuple(f"{axis}{point}" for point in range(POINTS) for axis in "xyz")
HEADER: Final = ("t", *CHANNEL_NAMES)
CLASS_NAME: Final = "label"

EXPECTED: Final = (
    "expected the header `t,ch1,…,ch8[,x0,y0,z0,…,x20,y20,z20][,index_mcp_fe,…][,label]`, "
    "or rows of eight numbers with an optional label"
)
COLUMNS_ADVICE: Final = "say what each column is, as in `?columns=t,ch1-8,label` (`-` leaves one out)"
CHANNELS_ADVICE: Final = "say which eight, as in `?channels=1-8` or `?channels=1,3,5,7,9,11,13,15`"
CLASSES: Final = "classes by name: "
NO_TIME: Final = ", no time: the rate is nominal"
_BRAINFLOW: Final = {24: ("a Cyton", 8, 22), 32: ("a Cyton with a Daisy", 16, 30)}
"""By the columns of a file of BrainFlow: the board, its channels (EXG in uV from column 1), the place of its Unix time.

Between them stand accelerometer and others, behind them a marker (BrainFlow, brainflow_boards.cpp)."""
_CLASS_NAMES: Final = ("label", "labels", "class", "gesture", "stimulus", "restimulus", "target", "marker channel")
_CHANNEL: Final = re.compile(r"(?P<prefix>[a-z]?[a-z _.\-]*?)[ _.\-]?(?P<number>\d{1,4})")
_CHANNEL_PREFIXES: Final[tuple[str, ...]] = (
    *("emg", "semg", "exg", "ch", "chan", "channel", "emg ch", "emg channel", "exg channel", "myo", "myo emg"),
    *(
        "emg sensor",
        "emg electrode",
        "emg pod",
        "myo sensor",
        "myo ch",
        "myo channel",
        "emg data",
        "emg raw",
        "raw emg",
    ),
    *("sensor", "electrode", "pod", "adc", "analog", "e", "s", "c", "v", "a", "raw"),
)
"""Names of numbered channels, the likelier first."""
_COLUMN: Final = re.compile(r"(?P<what>-|t(?:_(?:s|ms|us|ns))?|label|ch(?P<first>\d)(?:-(?P<last>\d))?)")
_LARGEST_COUNTER: Final = 32_767
_RATES: Final = (1.0, 100_000.0)
"""Samples per second that a comment may state, as `?rate=` may."""
_SECONDS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "\ufffds", "micros", "microseconds"), 1e-6),
    "ns": 1e-9,
}
_UNIT_NAMES: Final = "|".join(sorted(_SECONDS, key=len, reverse=True))
_TIME: Final = re.compile(
    r"(?:[a-z]+[ _])?(?:t|time|timestamps?|time[ _]stamps?|ts|elapsed|clock|date[ _]?time|epoch|zeit|temps|tiempo)"
    rf"(?:[ _](?P<unit>{_UNIT_NAMES}))?"
)
_IN_BRACKETS: Final = {**_SECONDS, **dict.fromkeys(("min", "minutes"), 60.0), **dict.fromkeys(("h", "hours"), 3600.0)}
_BARE_TIME: Final = {name: unit for name, unit in _SECONDS.items() if len(name) > 1}
_UNITS: Final[dict[str, FileUnit]] = {
    **dict.fromkeys(("nv", "nanovolts"), "nV"),
    # Latin-1's micro sign is no UTF-8: it comes as the replacement character.
    **dict.fromkeys(("uv", "µv", "μv", "\ufffdv", "microvolts", "microvolt"), "uV"),
    **dict.fromkeys(("mv", "millivolts", "millivolt"), "mV"),
    **dict.fromkeys(("v", "volts", "volt"), "V"),
    **dict.fromkeys(("adc", "adu", "counts", "count", "raw", "lsb", "int", "int8", "a.u.", "au", "n/a"), "adc"),
}
_RATE: Final = re.compile(
    r"(?:sampl\w*[ _-]*(?:rate|freq\w*)|\bfs|\bsrate|\bsfreq)(?:[ _]*[(\[]?hz[)\]]?)?\W{0,3}"
    r"(?P<rate>\d+(?:\.\d+)?)(?![.\d])\s*(?P<unit>k?hz)?|\brate\W{0,3}(?P<bare>\d+(?:\.\d+)?)\s*hz",
    re.IGNORECASE,
)
_BRACKETS: Final = re.compile(r"(?P<name>.*?)[ _]*[(\[]\s*(?P<unit>[^)\]]*?)\s*[)\]]")

_BEHIND: Final = re.compile(r"(?P<name>.*\d)[ _](?P<unit>[nuµμm]?v|adc)")

_OVER: Final = re.compile(rf"(?P<name>.*[^\s/])\s*/\s*(?P<unit>{_UNIT_NAMES}|[numµμ\ufffd]?v|adc)")
"""A quantity over its unit, as ISO 80000 writes the heads of tables."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns by their place, from 0, in rows of `width`."""

    width: int
    emg: tuple[int, ...]
    """Eight columns."""
    time: int | None = None
    seconds: float | None = None
    """Of one unit of the time, or None to tell by its values."""
    joints: int | None = None
    """The first of 63 in mm."""
    angles: Mapping[str, int] = field(default_factory=dict)
    """Degrees, by name."""
    label: int | None = None
    rate: float | None = None
    unit: FileUnit | None = None
    """Of the channels, where the header says it."""
    odd_units: tuple[str, ...] = ()
    """Units of the channels that are not known, or that differ."""
    format: str = "text"
    notes: tuple[str, ...] = ()


def layout_by_names(
    names: Sequence[str], comments: Sequence[str] = (), units: Sequence[str] = (), channels: str | None = None
) -> Layout | None:
    """Take the columns from a header, in lower case; None if it names no eight channels.

    Args:
        names: of the columns.
        comments: lines before the header, which may state rate and unit.
        units: of the columns, where they stand beside the names.
        channels: which eight of more channels, by their place from 1; see `ReadConfig.channels`.

    Raises:
        SessionError: it names channels, but not eight, or more of them than eight.
    """
    if tuple(names[: len(HEADER)]) == HEADER and not _is_ours(names) and f"ch{CHANNELS + 1}" not in names:
        return None
    stems, in_names = map(list, zip(*map(_without_unit, names), strict=True))
    units = [given or found for given, found in zip(units or [""] * len(names), in_names, strict=True)]
    emg, unused = _channels(_numbered(stems), channels)
    if emg is None:
        return None
    time, seconds = _time(stems, units)
    taken = {*emg, *(() if time is None else (time,))}
    joints = _joints(names)
    label = next((stems.index(name) for name in _CLASS_NAMES if name in stems), None)
    angles = {name: place for place, name in enumerate(names) if name in ANGLES and place not in taken}
    ours = joints is not None or (tuple(names[: len(HEADER)]) == HEADER and not unused)
    known = {*taken, *angles.values(), *((label,) if label is not None else ())}
    known |= set(range(joints, joints + VALUES)) if joints is not None else set()
    notes = [] if ours else [_taken(names, emg, time, one_by_one=bool(unused))]
    if left := [names[place] or f"column {place + 1}" for place in range(len(names)) if place not in known]:
        notes.append(f"left out: {_list(left)}")
    unit, odd = channel_unit([units[place] for place in emg], comments)
    rate = stated_rate(comments)
    return Layout(
        len(names), emg, time, seconds, joints, angles, label, rate, unit, odd, format="csv", notes=tuple(notes)
    )


def eight_of(channels: str, there: int) -> tuple[int, ...]:
    """Read `?channels=`: eight places from 0 of `there` channels.

    Raises:
        SessionError: it does not name eight of them.
    """
    places = eight_channels(channels)
    if not places:
        raise SessionError(f"`?channels={channels}`: expected eight different ones; {CHANNELS_ADVICE}")
    if max(places) >= there:
        raise SessionError(f"`?channels={channels}`: there are {there} channels, numbered from 1")
    return tuple(places)


def layout_by_values(values: Float64Array, place: str, channels: str | None = None) -> Layout:
    """Take the columns of a table without a header from its first rows (n, width).

    Args:
        values: of rows of one width.
        place: file and line, for messages.
        channels: which eight of more channels behind times and counters; see `ReadConfig.channels`.

    Raises:
        SessionError: it can be read in two ways, or in none.
    """
    width = values.shape[1]
    if width in _BRAINFLOW and is_brainflow(values):
        return _of_brainflow(width, channels, place)
    if channels is not None:
        leading = leading_columns(values, CHANNELS) if width > CHANNELS else 0
        time = next((column for column in range(leading) if not is_counter(values[:, column])), None)
        emg = tuple(leading + place for place in eight_of(channels, width - leading))
        said = (*_seen(leading, time, None)[:leading], f"channels 1-8 are columns {_numbers(emg)}")
        said = said if time is not None else (*said, "no time: unless `?rate=` says another, 200 Hz are taken")
        return Layout(width, emg, time, None, notes=said)
    leading = leading_columns(values, CHANNELS, class_last=True)
    rest = width - leading
    counter = is_counter(values[:, 0])
    if width == CHANNELS and len(values) >= LEAST_ROWS and leading_columns(values, CHANNELS - 1):
        first = "a row number" if counter else "a time"
        if not counter or float(values[:, 0].max()) > _LARGEST_COUNTER:
            raise SessionError(f"{place}: column 1 is {first}, and 7 numbers follow it; expected 8 channels")
    if width < CHANNELS:
        raise SessionError(f"{place}: expected 8 numbers (and a label), found {width}; Myocast takes eight channels")
    if rest not in (CHANNELS, CHANNELS + 1):
        which = f", or {CHANNELS_ADVICE}" if rest > CHANNELS else ""
        raise SessionError(
            f"{place}: expected 8 numbers (and a label), found {width}; {COLUMNS_ADVICE}{which}; or {EXPECTED}"
        )
    time = next((column for column in range(leading) if not is_counter(values[:, column])), None)
    label = width - 1 if rest == CHANNELS + 1 else None
    notes = _seen(leading, time, label)
    if label is not None:
        notes += _doubts(values, leading, place)
    return Layout(width, tuple(range(leading, leading + CHANNELS)), time, None, label=label, notes=notes)


def _doubts(values: Float64Array, leading: int, place: str) -> tuple[str, ...]:
    """What speaks against a class in the last column of rows (n, width), and against a channel in the first.

    Raises:
        SessionError: the last column is no class.
    """
    width, last = values.shape[1], values[:, -1]
    if leading and not is_class(last):
        raise SessionError(
            f"{place}: of {width} columns the first grows like a time, and the last is no class; {COLUMNS_ADVICE}"
        )
    if len(values) > 1 and is_unix(last) and grows(last):
        raise SessionError(
            f"{place}: column {width} grows like a time since 1970, where a class label can be; say what each column "
            f"is, as in `?columns={'-,' * leading}ch1-8,t`"
        )
    notes = []
    if not is_class(last):
        notes.append(
            f"column {width} changes from row to row as classes seldom do; if it is none, say what each column is, as "
            "in `?columns=t,ch1-8` or `?columns=ch1-8,t`"
        )
    if not leading and len(values) >= LEAST_ROWS and is_counter(values[:, 0]):
        notes.append("column 1 was taken for channel 1, but rises like a row number; if it is one: `?columns=-,ch1-8`")
    return tuple(notes)


def layout_by_option(text: str, width: int, place: str) -> Layout:
    """Take the columns from `?columns=`: what each is, from the left; those not named are left out.

    Raises:
        SessionError: it cannot be understood, names more columns than there are, or not each channel once.
    """
    time: int | None = None
    seconds: float | None = None
    label: int | None = None
    channels: dict[int, int] = {}
    named: list[str] = []
    column = 0
    for word in text.split(","):
        found = _COLUMN.fullmatch(word.strip())
        if found is None:
            raise SessionError(f"`?columns={text}`: {word!r} is no column; expected t, t_ms, t_us, ch1-8, label or -")
        what = found["what"]
        if found["first"]:
            first, last = int(found["first"]), int(found["last"] or found["first"])
            named += [f"ch{channel}" for channel in range(first, last + 1)]
            channels |= {channel: column + channel - first for channel in range(first, last + 1)}
            column += last - first + 1
            continue
        if what == "label":
            label = column
            named.append(what)
        elif what != "-":
            time = column
            named.append("t")
            seconds = _SECONDS.get(what.partition("_")[2])
        column += 1
    if sorted(channels) != list(range(1, CHANNELS + 1)):
        raise SessionError(f"`?columns={text}`: expected each of ch1 to ch8 once, as in `?columns=t,ch1-8,label`")
    if twice := next((name for name in named if named.count(name) > 1), None):
        raise SessionError(
            f"`?columns={text}`: {twice} is named twice; expected each once, and `-` for what to leave out"
        )
    if column > width:
        raise SessionError(f"{place}: `?columns={text}` names {column} columns, and there are {width}")
    emg = tuple(channels[channel] for channel in range(1, CHANNELS + 1))
    return Layout(width, emg, time, seconds, label=label)


def in_its_units(layout: Layout, names: Sequence[str], units: Sequence[str] = ()) -> Layout:
    """A layout that the user gave, with the unit that the names of its columns, or `units` beside them, state."""
    found = [given or _without_unit(name)[1] for name, given in zip(names, units or [""] * len(names), strict=True)]
    unit, odd = channel_unit([found[place] for place in layout.emg])
    return replace(layout, unit=unit, odd_units=odd)


def with_units(names: Sequence[str], below: Sequence[str]) -> tuple[str, ...] | None:
    """Names with their units in brackets, where the line below a header has units; None where it has none."""
    if len(names) != len(below):
        return None
    units = [token.strip("([])\"' ").lower() for token in below]
    if sum(unit in _UNITS for unit in units) < CHANNELS or not all(
        u in _UNITS or u in _IN_BRACKETS or not u for u in units
    ):
        return None
    return tuple(f"{name} ({unit})" if unit else name for name, unit in zip(names, units, strict=True))


def check_units(place: str, layout: Layout, config: ReadConfig) -> None:
    """Check that the unit of the channels is known where the file states one.

    Raises:
        SessionError: they are in a unit that is not known, or in several, and the user says nothing.
    """
    if layout.odd_units and config.unit is None:
        units = ", ".join(f"`{unit[:20]}`" for unit in layout.odd_units[:4])
        raise SessionError(
            f"{place}: the channels are said to be in {units}, which is no one unit that is known; say it, as in "
            "`?unit=uV`, `?unit=adc`, or `?scale=0.001&unit=uV`, which multiplies the samples first"
        )


def _is_ours(names: Sequence[str]) -> bool:
    """Whether behind times and EMG come only points, angles and a class, as Myocast writes them."""
    rest = tuple(names[len(HEADER) :])
    rest = rest[:-1] if rest and rest[-1] == CLASS_NAME else rest
    angles = rest[VALUES:] if rest[:VALUES] == JOINT_NAMES else rest
    return len(set(angles)) == len(angles) and set(angles) <= set(ANGLES)


def seconds_per_unit(t: Float64Array) -> tuple[float, str]:
    """Tell by times (n,) in what unit they are: seconds per unit, and its name.

    Times since 1970 tell by their size, others by the rate that they make: 20 to 5,000 samples a second.
    """
    units = ((1.0, "seconds"), (1e-3, "milliseconds"), (1e-6, "microseconds"), (1e-9, "nanoseconds"))
    first = abs(float(t[0]))
    for (unit, name), (low, high) in zip(units, ((1e8, 1e11), (1e11, 1e14), (1e14, 1e17), (1e17, 1e20)), strict=True):
        if low <= first < high:
            return unit, name
    steps = np.diff(t)
    steps = steps[steps > 0]
    if len(steps):
        periods = (float(np.median(steps)), float(t[-1] - t[0]) / (len(t) - 1))
        for unit, name in units:
            if any(20.0 <= 1.0 / (period * unit) <= 5000.0 for period in periods if period > 0):
                return unit, name
    return units[0]


def _of_brainflow(width: int, channels: str | None, place: str) -> Layout:
    board, count, time = _BRAINFLOW[width]
    if channels is None and count != CHANNELS:
        raise SessionError(f"{place}: is BrainFlow's file of {board}, with {count} channels; {CHANNELS_ADVICE}")
    emg = tuple(range(1, CHANNELS + 1)) if channels is None else tuple(1 + one for one in eight_of(channels, count))
    columns = f"2-{CHANNELS + 1}" if channels is None else _numbers(emg)
    what = f"columns {columns} are the channels in uV, column {time + 1} is the time"
    note = f"taken for BrainFlow's file of {board}: {what}"
    return Layout(width, emg, time, 1.0, unit="uV", format="brainflow", notes=(note,))


def is_brainflow(values: Float64Array) -> bool:
    """Whether rows of as many numbers as BrainFlow's have its counter (0 to 255) and its time since 1970."""
    counter, time = values[:, 0], values[:, _BRAINFLOW[values.shape[1]][2]]
    whole = (counter == np.rint(counter)).all() and counter.min() >= 0 and counter.max() <= 255
    return bool(whole and time.min() > 1e8 and (np.diff(time) >= -1).all())


def _seen(leading: int, time: int | None, label: int | None) -> tuple[str, ...]:
    notes = []
    for column in range(leading):
        if column == time:
            notes.append(f"column {column + 1} grows: taken for the time")
        else:
            other = "t_ms," + "-," * (leading - column - 1)
            notes.append(
                f"column {column + 1} counts rows or packets: left out (if it is a time in milliseconds: "
                f"`?columns={'-,' * column}{other}ch1-8`)"
            )
    if leading:
        notes.append(f"columns {leading + 1}-{leading + CHANNELS} are channels 1-8")
    # Eight numbers and a class are a layout of the contract; behind others it is told.
    if label is not None and leading:
        notes.append(f"column {label + 1} was taken for a class label")
    return tuple(notes)


def _without_unit(name: str) -> tuple[str, str]:
    found = _BRACKETS.fullmatch(name) or _BEHIND.fullmatch(name) or _OVER.fullmatch(name)
    if found is None or found["unit"] == "formatted":
        return name, ""
    return found["name"], found["unit"]


def _numbered(stems: Sequence[str]) -> list[str]:
    """Names with numbers where a name repeats: as pandas does (`emg`, `emg.1`, …), or the same name again and again."""
    numbered = list(stems)
    for stem in dict.fromkeys(stems):
        places = [place for place, other in enumerate(stems) if other == stem]
        if not stem or stem[-1].isdigit():
            continue
        if f"{stem}.1" in stems and len(places) == 1:
            numbered[places[0]] = f"{stem}.0"
        elif len(places) > 1:
            for number, place in enumerate(places):
                numbered[place] = f"{stem}.{number}"
    return numbered


def _channels(stems: Sequence[str], channels: str | None) -> tuple[tuple[int, ...] | None, tuple[int, ...]]:
    """The places of eight numbered names that are EMG's, in the order of their numbers, and those of the others."""
    groups: dict[str, dict[int, int]] = {}
    for place, stem in enumerate(stems):
        if found := _CHANNEL.fullmatch(stem):
            groups.setdefault(found["prefix"].strip(" _.-").replace("_", " "), {})[int(found["number"])] = place
    named = [prefix for prefix in _CHANNEL_PREFIXES if prefix in groups and len(groups[prefix]) > 1]
    if not named and len(groups.get("", {})) >= CHANNELS:
        named = [""]
    if not named:
        return None, ()
    best = next((prefix for prefix in named if len(groups[prefix]) == CHANNELS), named[0])
    if channels is not None:
        best = max(named, key=lambda prefix: len(groups[prefix]))
    group = groups[best]
    places = [group[number] for number in sorted(group)]
    if channels is not None:
        eight = tuple(places[place] for place in eight_of(channels, len(places)))
        return eight, tuple(place for place in places if place not in eight)
    if len(group) != CHANNELS or sorted(group) not in (list(range(CHANNELS)), list(range(1, CHANNELS + 1))):
        first, last = min(group), max(group)
        few = len(group) < CHANNELS and len(stems) < CHANNELS + 1
        advice = "fewer are not enough" if few else COLUMNS_ADVICE
        advice = f"{CHANNELS_ADVICE}, or {COLUMNS_ADVICE}" if len(group) >= CHANNELS else advice
        raise SessionError(
            f"the header names {len(group)} channels, `{best}{first}` to `{best}{last}`; Myocast takes eight, "
            f"numbered from 1 or 0; {advice}"
        )
    return tuple(places), ()


def time_column(names: Sequence[str]) -> tuple[int | None, float | None]:
    """The place of the times among named columns, and the seconds of a unit where the name says it."""
    return _time(*units_apart(names))


def units_apart(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of columns without the units in them, and the units; empty where there is none."""
    found = [_without_unit(name) for name in names]
    return [stem for stem, _ in found], [unit for _, unit in found]


def _time(stems: Sequence[str], units: Sequence[str]) -> tuple[int | None, float | None]:
    """The place of the times, and the seconds of a unit where the name says it."""
    candidates = ["t", *(stem for stem in stems if _TIME.fullmatch(stem) or stem in _BARE_TIME)]
    for stem in candidates:
        if stem not in stems:
            continue
        place = stems.index(stem)
        if units[place]:
            return place, _IN_BRACKETS.get(units[place])
        if stem in _BARE_TIME:
            return place, _BARE_TIME[stem]
        found = _TIME.fullmatch(stem)
        return place, _SECONDS[found["unit"]] if found and found["unit"] else None
    return None, None


def _joints(names: Sequence[str]) -> int | None:
    if "x0" not in names:
        return None
    first = list(names).index("x0")
    return first if tuple(names[first : first + VALUES]) == JOINT_NAMES else None


def channel_unit(units: Sequence[str], comments: Sequence[str] = ()) -> tuple[FileUnit | None, tuple[str, ...]]:
    """The unit of the channels, and what they are said to be in where that is no one unit that is known."""
    given = list(dict.fromkeys(unit for unit in units if unit))
    found = {_UNITS[unit] for unit in given if unit in _UNITS}
    if len(found) == 1 and all(unit in _UNITS for unit in given) and all(units):
        return found.pop(), ()
    if given:
        return None, tuple(given) if all(units) else (*given, "none")
    return ("uV" if any("openbci" in comment.lower() for comment in comments) else None), ()


def stated_rate(comments: Sequence[str]) -> float | None:
    """Samples per second that a comment states; without `Hz` where its words leave no doubt."""
    low, high = _RATES
    for comment in comments:
        if found := _RATE.search(comment):
            rate = float(found["rate"] or found["bare"]) * (1000.0 if (found["unit"] or "").lower() == "khz" else 1.0)
            return rate if low <= rate <= high else None
    return None


def _taken(names: Sequence[str], emg: Sequence[int], time: int | None, *, one_by_one: bool = False) -> str:
    clock = NO_TIME if time is None else f", `{names[time]}` is the time"
    if one_by_one:
        return f"channels 1 to 8 are {', '.join(f'`{names[place]}`' for place in emg)}{clock}"
    return f"`{names[emg[0]]}` to `{names[emg[-1]]}` are channels 1 to 8{clock}"


def _numbers(places: Sequence[int]) -> str:
    return ", ".join(str(place + 1) for place in places)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
