"""Text files as other programs write them (../shared/cases/field.md, sections A and B)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zstandard

from drivers.errors import DriverError
from drivers.sessions import SessionError, read_session
from drivers.sessions.text.layout import seconds_per_unit
from drivers.sessions.timeline import from_times
from drivers.uri import source_from_uri
from models.recording import Recording

FIELD = Path(__file__).parents[5] / "shared" / "cases" / "field"
ROWS = np.random.default_rng(7).integers(-90, 90, (120, 8))
NAMES = ",".join(f"ch{channel}" for channel in range(1, 9))

field_files = pytest.mark.skipif(not FIELD.is_dir(), reason="needs ../shared/cases/field beside the checkout")


def lines(*before: object, separator: str = ",", after: tuple[object, ...] = ()) -> str:
    """Rows of ROWS, behind columns given by functions of the row's number, and before others."""
    text = []
    for number, row in enumerate(ROWS):
        head = [column(number) if callable(column) else column for column in before]
        tail = [column(number) if callable(column) else column for column in after]
        text.append(separator.join(map(str, [*head, *row.tolist(), *tail])))
    return "\n".join(text) + "\n"


def read(folder: Path, text: str | bytes, options: str = "") -> Recording:
    path = folder / "file.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_session(f"{path}{options}")


def assert_rows(recording: Recording) -> None:
    np.testing.assert_array_equal(recording.emg, ROWS)


@pytest.mark.case("B01", "B02", "B03", "B04", "B05", "B06", "B14", "B18", "B19", "B21")
@field_files
@pytest.mark.parametrize(
    ("name", "first", "rate", "unit", "said"),
    [
        ("f1.csv", [1, 2, 3, 4, 5, 6, 7, 8], 200.0, "adc", "column 1 grows: taken for the time"),
        ("f2.csv", [11, 12, 13, 14, 15, 16, 17, 18], 200.0, "adc", "left out: column 1"),
        ("f3.csv", [1, 2, 3, 4, 5, 6, 7, 8], 200.0, "adc", "times are in microseconds"),
        ("f5.csv", [1, 2, 3, 4, 5, 6, 7, 8], 200.0, "adc", None),
        ("f7.csv", [1, 2, 3, 4, 5, 6, 7, 8], 200.0, "adc", None),
        ("f8.csv", [1.5, 2, 3, 4, 5, 6, 7, 8], 200.0, "adc", None),
        ("f9.txt", [1, 2, 3, 4, 5, 6, 7, 8], 200.0, "adc", None),
        ("f10.csv", [1, 2, 3, 4, 5, 6, 7, 8], 200.0, "adc", None),
        ("f12.csv", [1, 2, 3, 4, 5, 6, 7, 8], 200.0, "adc", "no time: the rate is nominal"),
        ("f13.csv", [1, 2, 3, 4, 5, 6, 7, 8], 200.0, "adc", None),
        ("openbci_gui_v5.txt", [-4.11, 8.22, -4.11, -5.48, -15.07, -4.11, 17.81, 6.85], 250.0, "uV", "timestamp"),
        ("brainflow.csv", [-4.11, 8.22, -4.11, -5.48, -15.07, -4.11, 17.81, 6.85], 250.0, "uV", "BrainFlow"),
    ],
)
def test_files_from_the_field(name: str, first: list[float], rate: float, unit: str, said: str | None) -> None:
    recording = read_session(FIELD / name)
    np.testing.assert_allclose(recording.emg[0], first, rtol=1e-6)
    assert (recording.rate_hz, recording.unit) == (rate, unit)
    assert said is None or any(said in note for note in recording.meta["notes"]), recording.meta["notes"]


@pytest.mark.case("B05")
@field_files
def test_classes_of_a_labelled_csv() -> None:
    recording = read_session(FIELD / "f13.csv")
    assert recording.classes is not None
    assert recording.classes.tolist() == [0, 0]


@pytest.mark.case("B07")
@field_files
@pytest.mark.parametrize("name", ["f11.txt"])
def test_volts_are_noticed_and_their_unit_asked_for(name: str) -> None:
    with pytest.raises(SessionError, match=r"perhaps volts; say their unit: `\?unit=V`"):
        read_session(FIELD / name)
    recording = read_session(f"{FIELD / name}?unit=V")
    assert recording.unit == "uV"
    np.testing.assert_allclose(recording.emg[0, :3], [120.0, -60.0, 150.0], rtol=1e-5)


@pytest.mark.case("B24")
@field_files
def test_options_behind_a_file_are_taken() -> None:
    recording = read_session(f"{FIELD / 't35_pyomyo_50hz_envelope_bare.csv'}?rate=50&mode=envelope")
    assert (recording.rate_hz, recording.emg_mode) == (50.0, "envelope")
    with pytest.raises(DriverError, match="unknown option `speedy`"):
        read_session(f"{FIELD / 'f12.csv'}?speedy=2")


@pytest.mark.case("B24")
def test_options_of_a_replay_may_stand_behind_a_file(tmp_path: Path) -> None:
    recording = read(tmp_path, lines(), "?rate=100&speed=2&loop=1&start=0.2&gain=0.5&mains=50")
    assert_rows(recording)
    assert recording.rate_hz == 100.0
    for wrong in ("speed=0", "loop=maybe", "start=-1", "gain=0", "mains=55"):
        with pytest.raises(DriverError, match=wrong.partition("=")[0]):
            read(tmp_path, lines(), f"?{wrong}")


@pytest.mark.case("B38")
def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    read(tmp_path, lines())
    assert_rows(read_session("~/file.csv"))
    replayed = source_from_uri("replay:~/file.csv?rate=250")
    assert replayed.info.rate_hz == 250.0


def test_a_name_with_a_question_mark_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a?rate=50"
    path.write_text(lines())
    assert read_session(path).rate_hz == 200.0


@pytest.mark.case("B01")
@pytest.mark.parametrize(
    ("time", "rate"),
    [
        (lambda n: f"{1732700000 + n / 250:.3f}", 250.0),
        (lambda n: f"{n / 200:.3f}", 200.0),
        (lambda n: 1732700000000 + 5 * n, 200.0),
        (lambda n: 15 + 4 * n, 250.0),
        (lambda n: 1000 * n, 1000.0),
        (lambda n: 1732700000000000000 + 5_000_000 * n, 200.0),
    ],
)
@pytest.mark.parametrize("label", [(), (3,)])
def test_a_first_column_that_grows_is_the_time(tmp_path: Path, time: object, rate: float, label: tuple[int]) -> None:
    recording = read(tmp_path, lines(time, after=label))
    assert_rows(recording)
    assert recording.rate_hz == pytest.approx(rate, rel=0.01)
    assert (recording.classes is not None) == bool(label)
    assert any("column 1 grows: taken for the time" in note for note in recording.meta["notes"])


@pytest.mark.case("B02")
@pytest.mark.parametrize("counter", [lambda n: n, lambda n: n % 16, lambda n: (250 + n) % 256, lambda n: 4711 + n])
def test_a_first_column_that_counts_is_left_out(tmp_path: Path, counter: object) -> None:
    recording = read(tmp_path, lines(counter))
    assert_rows(recording)
    assert recording.rate_hz == 200.0
    assert any("column 1 counts rows or packets: left out" in note for note in recording.meta["notes"])


def test_a_counter_and_a_time_before_the_channels(tmp_path: Path) -> None:
    recording = read(tmp_path, lines(lambda n: n, lambda n: f"{n / 500:.3f}"))
    assert_rows(recording)
    assert recording.rate_hz == 500.0


def test_a_time_before_seven_channels_is_no_channel(tmp_path: Path) -> None:
    text = "\n".join(f"{n / 200:.3f},1,-2,3,-4,5,{n % 3},7" for n in range(100))
    with pytest.raises(SessionError, match="column 1 is a time, and 7 numbers follow it; expected 8 channels"):
        read(tmp_path, text)


def test_what_columns_are_can_be_said(tmp_path: Path) -> None:
    text = lines(lambda n: n, 7, after=(1, 2, 3))
    with pytest.raises(SessionError, match=r"found 13; say what each column is, as in `\?columns=t,ch1-8,label`"):
        read(tmp_path, text)
    recording = read(tmp_path, text, "?columns=t_ms,-,ch1-8,-,label")
    assert_rows(recording)
    assert recording.rate_hz == 1000.0
    assert recording.classes is not None
    assert set(recording.classes.tolist()) == {2}
    for wrong, message in {
        "t,ch1-7": "each of ch1 to ch8 once",
        "ch1-8,foo": "no column",
        "t,ch1-8,-,-,-,-,label": "names 14 columns, and there are 13",
    }.items():
        with pytest.raises(SessionError, match=message):
            read(tmp_path, text, f"?columns={wrong}")


@pytest.mark.parametrize(
    ("header", "rate"),
    [
        ("time,channel1,channel2,channel3,channel4,channel5,channel6,channel7,channel8", 200.0),
        (
            "Timestamp (ms),EMG 1 (uV),EMG 2 (uV),EMG 3 (uV),EMG 4 (uV),EMG 5 (uV),EMG 6 (uV),EMG 7 (uV),EMG 8 (uV)",
            200.0,
        ),
        ("elapsed_ms,emg_0,emg_1,emg_2,emg_3,emg_4,emg_5,emg_6,emg_7", 200.0),
        ("millis,s1,s2,s3,s4,s5,s6,s7,s8", 200.0),
        ("timestamp," + ",".join(f"emg_sensor{channel}" for channel in range(1, 9)), 200.0),
        ("epoch_ms," + NAMES, 200.0),
        ("zeit/ms," + ",".join(f"EMG{channel}/adc" for channel in range(1, 9)), 200.0),
    ],
)
def test_headers_of_loggers(tmp_path: Path, header: str, rate: float) -> None:
    recording = read(tmp_path, header + "\n" + lines(lambda n: 5 * n))
    assert_rows(recording)
    assert recording.rate_hz == rate
    assert recording.unit == ("uV" if "(uV)" in header else "adc")


def test_columns_are_taken_by_name_in_any_order(tmp_path: Path) -> None:
    channels = [f"emg{channel}" for channel in range(8, 0, -1)]
    rows = "\n".join(",".join(map(str, [*row[::-1], "a word", 5 * n])) for n, row in enumerate(ROWS.tolist()))
    recording = read(tmp_path, ",".join([*channels, "comment", "time_ms"]) + "\n" + rows)
    assert_rows(recording)
    assert recording.rate_hz == 200.0


def test_sixteen_channels_are_asked_about(tmp_path: Path) -> None:
    header = ",".join(f"emg{channel}" for channel in range(1, 17))
    text = header + "\n" + "\n".join(",".join(map(str, [*row, *row])) for row in ROWS.tolist())
    with pytest.raises(SessionError, match=r"names 16 channels, `emg1` to `emg16`; Myocast takes eight"):
        read(tmp_path, text)
    assert_rows(read(tmp_path, text, "?columns=-,-,-,-,-,-,-,-,ch1-8"))


def test_channels_beyond_eight_behind_the_header_of_ours(tmp_path: Path) -> None:
    text = f"t,{NAMES},ch9,ch10\n" + lines(lambda n: n / 200, after=(0, 0))
    with pytest.raises(SessionError, match=r"names 10 channels, `ch1` to `ch10`.*`\?channels=1-8`"):
        read(tmp_path, text)
    assert_rows(read(tmp_path, text, "?channels=1-8"))


def test_a_micro_sign_of_latin_1(tmp_path: Path) -> None:
    text = f"t,{NAMES.replace(',', ' (µV),')} (µV)\n" + lines(lambda n: n / 200)
    recording = read(tmp_path, text.encode("latin-1"))
    assert_rows(recording)
    assert recording.unit == "uV"


@pytest.mark.parametrize(("least", "advice"), [(-900, r"`\?unit=uV`"), (0, r"`\?rate=50&mode=envelope`")])
def test_counts_that_no_myo_has_are_told(tmp_path: Path, least: int, advice: str) -> None:
    values = np.random.default_rng(1).integers(least, 900, (50, 8))
    recording = read(tmp_path, "\n".join(",".join(map(str, row)) for row in values.tolist()))
    assert re.search(advice, recording.meta["notes"][0])


def test_advice_about_columns_names_no_more_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"expected rows of 8 numbers$"):
        read(tmp_path, lines().replace("\n", "h\n"))


def test_classes_by_name(tmp_path: Path) -> None:
    words = lines(lambda n: n / 200, after=(lambda n: "rest" if n < 60 else "fist",))
    recording = read(tmp_path, f"t,{NAMES},gesture\n{words}".replace("t,ch1", "time,ch1"))
    assert recording.classes is not None
    assert recording.classes.tolist() == [0] * 60 + [1] * 60
    assert "classes by name: 0 = rest, 1 = fist" in recording.meta["notes"]


def test_classes_by_name_share_no_number_with_others(tmp_path: Path) -> None:
    text = lines(lambda n: n / 200, after=(lambda n: "fist" if n < 40 else 0 if n < 80 else 2,))
    recording = read(tmp_path, f"time,{NAMES},gesture\n{text}")
    assert recording.classes is not None
    assert recording.classes[[0, 40, 80]].tolist() == [3, 0, 2]
    assert "classes by name: 3 = fist" in recording.meta["notes"]


@pytest.mark.parametrize("unit", ["dB", "%", "g"])
def test_a_unit_that_is_not_known_is_asked_about(tmp_path: Path, unit: str) -> None:
    header = ",".join(f"EMG {channel} ({unit})" for channel in range(1, 9))
    with pytest.raises(SessionError, match=rf"said to be in `{unit.lower()}`, which is no one unit .*`\?unit=uV`"):
        read(tmp_path, f"{header}\n{lines()}")
    recording = read(tmp_path, f"{header}\n{lines()}", "?unit=uV&scale=0.5")
    np.testing.assert_allclose(recording.emg, ROWS * 0.5)


def test_channels_of_different_units_are_asked_about(tmp_path: Path) -> None:
    units = ["uV"] * 7 + ["mV"]
    header = ",".join(f"emg{channel} [{unit}]" for channel, unit in enumerate(units, 1))
    with pytest.raises(SessionError, match="said to be in `uv`, `mv`"):
        read(tmp_path, f"{header}\n{lines()}")


def test_units_below_names(tmp_path: Path) -> None:
    units = ",".join(["(mV)"] * 8)
    recording = read(tmp_path, f"t,{NAMES}\n(ms),{units}\n{lines(lambda n: 4 * n)}")
    assert (recording.unit, recording.rate_hz) == ("uV", 250.0)
    np.testing.assert_allclose(recording.emg, ROWS * 1000.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3,4\n" * 50, "found 4; Myocast takes eight channels"),
        (
            f"time,{NAMES}\n" + lines("28.11.2026 00:35"),
            r"120 of 120 lines cannot be read; .*`\?columns=-,ch1-8`",
        ),
    ],
)
def test_a_refusal_says_what_would_read_it(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SessionError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        (",".join(f"emg{channel}_uV" for channel in range(1, 9)), 1.0),
        (",".join(f"CH{channel} mV" for channel in range(1, 9)), 1000.0),
        (",".join(f"EMG{channel} (nV)" for channel in range(1, 9)), 0.001),
        (",".join(f"emg{channel} [microvolts]" for channel in range(1, 9)), 1.0),
    ],
)
def test_units_in_names(tmp_path: Path, header: str, factor: float) -> None:
    recording = read(tmp_path, f"{header}\n{lines()}")
    assert recording.unit == "uV"
    np.testing.assert_allclose(recording.emg, ROWS * factor, rtol=1e-6)


@pytest.mark.parametrize(
    "time",
    [
        lambda n: f"2026-11-28T00:35:{47 + n // 200:02d}.{n % 200 * 5:03d}",
        lambda n: f"2026-11-28 00:35:{47 + n // 200:02d}.{n % 200 * 5000:06d}",
        lambda n: f"2026-11-28T00:35:{47 + n // 200:02d}.{n % 200 * 5000000:09d}Z",
        lambda n: f"2026-11-28T01:35:{47 + n // 200:02d}.{n % 200 * 5:03d}+01:00",
        lambda n: f"00:35:{47 + n // 200:02d}.{n % 200 * 5:03d}",
        lambda n: f'"2026-11-28 00:35:{47 + n // 200:02d}.{n % 200 * 5:03d}"',
    ],
)
@pytest.mark.parametrize("header", [f"timestamp,{NAMES}\n", f"Time,{NAMES},label\n", ""])
def test_times_as_dates(tmp_path: Path, time: object, header: str) -> None:
    recording = read(tmp_path, header + lines(time, after=(4,) if "label" in header else ()))
    assert_rows(recording)
    assert recording.rate_hz == 200.0
    assert recording.t[0] == pytest.approx(1795826147.0 if callable(time) and "2026" in time(0) else 2147.0, abs=1e-3)


@pytest.mark.parametrize(
    "header",
    [
        "emg," + ",".join(f"emg.{channel}" for channel in range(1, 8)),
        ",".join(["emg"] * 8),
        "EMG;" * 8,
        "t,emg," + ",".join(f"emg.{channel}" for channel in range(1, 8)),
        ",".join(f"Myo_emg_{channel}" for channel in range(8)),
    ],
)
def test_names_that_repeat(tmp_path: Path, header: str) -> None:
    separator = ";" if ";" in header else ","
    before = (lambda n: n / 200,) if header.startswith("t,") else ()
    assert_rows(read(tmp_path, f"{header.strip(';')}\n{lines(*before, separator=separator)}"))


def test_channels_of_more_are_chosen(tmp_path: Path) -> None:
    wide = "\n".join(",".join(map(str, [*row, *row[::-1]])) for row in ROWS.tolist())
    header = ",".join(f"emg{channel}" for channel in range(1, 17))
    for text in (wide, f"{header}\n{wide}"):
        np.testing.assert_array_equal(read(tmp_path, text, "?channels=9-16").emg, ROWS[:, ::-1])
        with pytest.raises(SessionError, match=r"`\?channels=1-8`"):
            read(tmp_path, text)
        with pytest.raises(SessionError, match="there are 16 channels"):
            read(tmp_path, text, "?channels=10-17")


def test_brainflow_of_sixteen_channels(tmp_path: Path) -> None:
    rows = [
        [n % 256, *row, *row[::-1], *[0.0] * 13, 1732700000 + n / 125, 0]
        for n, row in enumerate(ROWS.astype(float).tolist())
    ]
    text = "\n".join("\t".join(f"{value:.6f}" for value in row) for row in rows)
    with pytest.raises(SessionError, match=r"of a Cyton with a Daisy, with 16 channels; .*`\?channels=1-8`"):
        read(tmp_path, text)
    recording = read(tmp_path, text, "?channels=9-16")
    np.testing.assert_array_equal(recording.emg, ROWS[:, ::-1])
    assert (recording.rate_hz, recording.unit) == (125.0, "uV")


def test_gestures_of_uci(tmp_path: Path) -> None:
    head = "time\t" + "\t".join(f"channel{channel}" for channel in range(1, 9)) + "\tclass\n"
    rows = ["\t".join([str(n), *(f"{value * 1e-5:.5g}" for value in row), "2"]) for n, row in enumerate(ROWS.tolist())]
    recording = read(tmp_path, head + "\n".join(rows))
    assert_rows(recording)
    assert (recording.unit, recording.rate_hz, recording.meta["format"]) == ("adc", 1000.0, "uci-gestures")
    assert recording.classes is not None
    assert set(recording.classes.tolist()) == {2}


@pytest.mark.parametrize(
    ("head", "rate"),
    [
        ("Recorded by Lab 7\nSampling rate: 1000 Hz\nSubject; 3\n\n", 1000.0),
        ("sep=,\n", 200.0),
        ("Device,Quattro\nFs (Hz),2000\nChannels,8\n", 2000.0),
        ("# sampling_frequency = 1.5 kHz\n", 1500.0),
        ("# fs: 500\n", 500.0),
        ("# baud rate 9600\n", 200.0),
    ],
)
@pytest.mark.parametrize("names", [f"{NAMES}\n", ""])
def test_settings_before_the_table(tmp_path: Path, head: str, rate: float, names: str) -> None:
    recording = read(tmp_path, head + names + lines())
    assert_rows(recording)
    assert recording.rate_hz == rate
    assert recording.meta["dropped"] == []


def test_many_comments_are_passed_over_at_once(tmp_path: Path) -> None:
    assert_rows(read(tmp_path, "# a remark\n" * 200_000 + f"{NAMES}\n" + lines()))


@pytest.mark.case("B14", "B18", "B19", "B21")
@pytest.mark.parametrize(
    "text",
    [
        lines(separator=";"),
        lines(separator=" ; "),
        lines(separator="|"),
        "".join(f"({line})\n" for line in lines(separator=", ").splitlines()),
        f"{NAMES}\n{lines()}".replace(",", " | "),
        ",1,2,3,4,5,6,7,8\n" + lines(lambda n: n),
        lines().replace("\n", ",\n"),
        lines(separator="\t").replace("\n", "\t\n"),
        lines(separator=";").replace("\n", ";\r\n"),
        "".join(f'"{line}"\n' for line in lines(separator='","').splitlines()),
        "\n".join(" ".join(f"{value},0" for value in row) for row in ROWS.tolist()),
        "\n".join(";".join(f"{value},00" for value in row) for row in ROWS.tolist()),
        "\n".join("\t".join(f"{value},0" for value in row) for row in ROWS.tolist()),
        "\n".join(",".join(f'"{value},0"' for value in row) for row in ROWS.tolist()),
        "# made by a logger\n% rate?\n// here it begins\n" + lines(),
        "0,1,2,3,4,5,6,7\n" + lines(),
        lines().replace("\n", "\r"),
        lines().encode("utf-16"),
        b"\xef\xbb\xbf" + lines().encode(),
    ],
)
def test_ways_to_write_the_same_numbers(tmp_path: Path, text: str | bytes) -> None:
    recording = read(tmp_path, text)
    assert_rows(recording)
    assert recording.meta["dropped"] == []


@pytest.mark.case("B23")
@pytest.mark.parametrize("share", [0.01, 0.04, 0.06, 0.2, 0.5])
def test_samples_missing_from_a_grid_are_lost_at_every_share(share: float) -> None:
    kept = np.random.default_rng(3).random(4000) >= share
    kept[[0, -1]] = True
    timeline = from_times(np.flatnonzero(kept).astype(np.float64) * 0.005, None, 0.25)
    assert timeline.rate_hz == 200.0
    assert timeline.regular
    assert int(timeline.sample[-1]) == 3999


@pytest.mark.parametrize(("step", "unit"), [(0.004, 1.0), (5, 1e-3), (20, 1e-3), (1000, 1e-6), (2e6, 1e-9)])
def test_the_unit_of_times_is_told_by_the_rate(step: float, unit: float) -> None:
    assert seconds_per_unit(np.arange(100, dtype=np.float64) * step)[0] == unit


@pytest.mark.case("B29")
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_packed_files(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    packed = pack(lines().encode())
    assert_rows(read(tmp_path, packed))
    assert_rows(read(tmp_path, packed + packed[:0]))
    if pack is not zstandard.compress:
        cut = read(tmp_path, pack(lines().encode() * 50)[:-6])
        assert any("truncated" in note or "damaged" in note for note in cut.meta["notes"])


@pytest.mark.case("B29")
def test_zip_files(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/a.csv", lines())
    assert_rows(read_session(path))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.csv", lines())
    with pytest.raises(SessionError, match=r"is a zip of 2 files \(a.csv, b.csv\); unpack it"):
        read_session(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "")
    with pytest.raises(SessionError, match="spreadsheet"):
        read_session(path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_an_archive_that_unpacks_to_gigabytes_is_refused(
    tmp_path: Path, pack: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(pack)
    monkeypatch.setattr("drivers.sessions.source_bytes._LARGEST", 1 << 20)
    with pytest.raises(SessionError, match="unpacks to more than"):
        read(tmp_path, pack(lines().encode() * 4000))
    monkeypatch.setattr("drivers.sessions.source_bytes._LARGEST", 1 << 30)
    with pytest.raises(SessionError, match="a line of more than"):
        read(tmp_path, pack(b"1" * (3 << 20)))


@pytest.mark.case("B29")
@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"XDF:\x01", "is XDF without a whole stream"),
        (b"\xffBIOSEMI" + b" " * 200, "is BDF"),
        (b"MATLAB 5.0 MAT-file", "is a MATLAB file"),
        (b"\x89HDF\r\n\x1a\n", "is HDF5"),
        (b"\x93NUMPY\x01", "is a NumPy array"),
        (b'{"emg": []}', "is JSON"),
        (b"%PDF-1.7", "is a PDF"),
    ],
)
def test_other_kinds_are_named_with_the_way_out(tmp_path: Path, head: bytes, message: str) -> None:
    with pytest.raises(SessionError, match=message) as caught:
        read(tmp_path, head)
    assert "\n" not in str(caught.value)


@pytest.mark.case("B28")
@field_files
def test_an_edf_is_read() -> None:
    recording = read_session(FIELD / "t26b_emg8.edf")
    assert recording.meta["format"] == "edf"
    assert recording.emg.shape[1] == 8


def test_a_named_last_column_without_values_is_no_separator_at_the_end(tmp_path: Path) -> None:
    recording = read(tmp_path, f"{NAMES},label\n{lines(after=('',))}")
    assert_rows(recording)
    assert recording.classes is not None
    assert (recording.classes == -1).all()
    recording = read(tmp_path, f"{NAMES},label\n{lines(after=(lambda n: 3 if n > 70 else '',))}")
    assert_rows(recording)
    assert recording.classes is not None
    assert recording.classes[[70, 71]].tolist() == [-1, 3]
    assert_rows(read(tmp_path, f"{NAMES}\n{lines(after=('',))}"))


@pytest.mark.parametrize("columns", ["ch1-8,ch1", "t,t,ch1-8", "label,ch1-8,label", "t_ms,ch1-8,t_s"])
def test_a_column_named_twice_is_refused(tmp_path: Path, columns: str) -> None:
    with pytest.raises(SessionError, match="is named twice"):
        read(tmp_path, lines(0, after=(0,)), f"?columns={columns}")


def test_columns_are_taken_where_no_row_is_all_numbers(tmp_path: Path) -> None:
    text = lines(lambda n: f"2024-05-01 12:00:{n / 200:06.3f}")
    assert_rows(read(tmp_path, text, "?columns=-,ch1-8"))


def test_the_rate_that_a_standing_time_asks_for_makes_the_times(tmp_path: Path) -> None:
    text = f"t,{NAMES}\n{lines(7)}"
    with pytest.raises(SessionError, match=r"`\?rate=200`"):
        read(tmp_path, text)
    recording = read(tmp_path, text, "?rate=200")
    assert_rows(recording)
    np.testing.assert_allclose(np.diff(recording.t), 0.005)


@pytest.mark.parametrize(
    ("name", "seconds"), [("time (min)", 60.0), ("time (h)", 3600.0), ("time (s)", 1.0), ("time [ms]", 1e-3)]
)
def test_the_unit_in_brackets_is_the_unit_of_the_times(tmp_path: Path, name: str, seconds: float) -> None:
    recording = read(tmp_path, f"{name},{NAMES}\n{lines(lambda n: repr(n / 200 / seconds))}")
    assert recording.rate_hz == pytest.approx(200.0)


def test_times_that_no_emg_has_are_refused(tmp_path: Path) -> None:
    """A thousands separator in quotes, taken for a decimal comma."""
    with pytest.raises(SessionError, match="in what unit the times are"):
        read(tmp_path, f"time_ms,{NAMES}\n{lines(lambda n: chr(34) + format(1000 + 5 * n, ',') + chr(34))}")


@pytest.mark.parametrize(("unit", "step"), [("t_us", 5), ("t_ms", 5000)])
def test_a_unit_that_was_said_and_cannot_be_is_not_advised_again(tmp_path: Path, unit: str, step: int) -> None:
    with pytest.raises(SessionError, match="in another unit than") as refused:
        read(tmp_path, lines(lambda n: str(step * n)), f"?columns={unit},ch1-8")
    assert "as in `?columns" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "rate"), [("500", 500.0), ("0", 200.0), ("1.2.3", 200.0), ("0.001", 200.0), ("9" * 30, 200.0)]
)
def test_a_rate_in_a_comment_is_taken_where_it_can_be_one(tmp_path: Path, said: str, rate: float) -> None:
    assert read(tmp_path, f"# sampling rate: {said} Hz\n{NAMES}\n{lines()}").rate_hz == rate


def test_a_row_number_before_a_last_channel_that_stands_still_is_told(tmp_path: Path) -> None:
    text = "".join(f"{number},{','.join(map(str, row[:7]))},0\n" for number, row in enumerate(ROWS.tolist()))
    notes = read(tmp_path, text).meta["notes"]
    assert any("`?columns=-,ch1-8`" in note for note in notes), notes
    recording = read(tmp_path, text, "?columns=-,ch1-8")
    np.testing.assert_array_equal(recording.emg[:, :7], ROWS[:, :7])


@pytest.mark.parametrize("options", ["?columns=" + "-" * 500, "?device=inf"])
def test_wild_options_are_one_line(tmp_path: Path, options: str) -> None:
    with pytest.raises(DriverError) as caught:
        read(tmp_path, lines(), options)
    assert "\n" not in str(caught.value)


def test_a_name_of_many_digits_is_no_channel(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="is not known"):
        read(tmp_path, ",".join("ch" + str(channel) * 5000 for channel in range(1, 9)) + "\n" + lines())


@pytest.mark.filterwarnings("error")
def test_a_label_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="is not a whole number"):
        read(tmp_path, f"{NAMES},label\n{lines(after=(10**30,))}")


def test_a_last_column_that_is_hardly_a_class_is_told(tmp_path: Path) -> None:
    text = lines(after=(lambda n: 5 * n,))
    notes = read(tmp_path, text).meta["notes"]
    assert any("`?columns=ch1-8,t`" in note for note in notes), notes
    assert_rows(read(tmp_path, text, "?columns=ch1-8,t"))
    text = lines(after=(lambda n: 1732700000 + n / 200,))
    with pytest.raises(SessionError, match=r"`\?columns=ch1-8,t`"):
        read(tmp_path, text)
    assert read(tmp_path, text, "?columns=ch1-8,t").rate_hz == pytest.approx(200.0)


@pytest.mark.parametrize("resolution", [0.1, 0.5, 1.0])
def test_stamps_of_a_coarse_clock_are_no_outages(resolution: float) -> None:
    times = np.floor((np.arange(2000) + 70) / 200 / resolution + 1e-9) * resolution
    timeline = from_times(times, None, 0.25)
    assert timeline.rate_hz == pytest.approx(200.0, rel=0.01)
    assert timeline.sample[-1] == len(times) - 1
    # An outage of five stamps is one.
    times[1000:] += 5 * resolution
    assert (np.diff(from_times(times, 200.0, 0.25).sample) > 1).sum() == 1
