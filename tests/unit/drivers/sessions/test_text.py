from __future__ import annotations

import gzip
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.sessions import SessionError, read_session
from drivers.sessions.text.layout import HEADER, JOINT_NAMES
from models.hand import POINTS, VALUES, to_hand_frame

SHARED = Path(__file__).parents[5] / "shared" / "data"


def rows(count: int, label: int | None = None) -> list[list[str]]:
    """Channel 1 is the row modulo 100, the others their number."""
    tail = [] if label is None else [str(label)]
    return [[str(n % 100), *map(str, range(2, 9)), *tail] for n in range(count)]


def save(path: Path, table: list[list[str]], separator: str = ",", end: str = "\n", head: str = "") -> Path:
    path.write_bytes((head + end.join(separator.join(row) for row in table) + end).encode())
    return path


def csv(path: Path, t: Any, joints: Any = None) -> Path:
    names = HEADER if joints is None else HEADER + JOINT_NAMES
    table = [[f"{at:.6f}", *row] for at, row in zip(t, rows(len(t)), strict=True)]
    if joints is not None:
        table = [row + [str(value) for value in pose] for row, pose in zip(table, joints, strict=True)]
    return save(path, table, head=",".join(names) + "\n")


@pytest.mark.parametrize("separator", [",", ", ", "\t", " ", "   "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("label", [None, 7])
def test_bare_columns_of_any_separation(tmp_path: Path, separator: str, end: str, label: int | None) -> None:
    rec = read_session(save(tmp_path / "a.txt", rows(250, label), separator, end))
    assert rec.emg[:, 0].tolist() == [n % 100 for n in range(250)]
    assert rec.emg[7].tolist() == [7, 2, 3, 4, 5, 6, 7, 8]
    assert rec.emg.dtype == np.float32
    assert rec.emg.flags.c_contiguous
    assert rec.sample.tolist() == list(range(250))
    np.testing.assert_allclose(rec.t, np.arange(250) / 200)
    assert (rec.rate_hz, rec.unit, rec.emg_mode, rec.hand) == (200.0, "adc", "raw", None)
    assert rec.classes is None if label is None else rec.classes is not None
    if rec.classes is not None:
        assert rec.classes.tolist() == [7] * 250
    assert rec.meta["dropped"] == []
    assert rec.duration_s == pytest.approx(1.25)


def test_options_say_what_the_file_does_not(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", rows(100))
    rec = read_session(path, rate=50.0, mode="envelope", unit="uV", hand="left")
    assert (rec.rate_hz, rec.unit, rec.emg_mode, rec.hand) == (50.0, "uV", "envelope", "left")
    assert rec.t[-1] == pytest.approx(99 / 50)


def test_gzip_is_recognised_by_its_content_and_may_have_members(tmp_path: Path) -> None:
    plain = save(tmp_path / "a.txt", rows(100)).read_bytes()
    packed = tmp_path / "no-suffix"
    packed.write_bytes(gzip.compress(plain[:500]) + gzip.compress(plain[500:]))
    assert read_session(packed).emg[:, 0].tolist() == list(range(100))


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    table = [[], *rows(10), [], *rows(10), []]
    rec = read_session(save(tmp_path / "a.txt", table, head="\ufeff\n"))
    assert rec.sample.tolist() == list(range(20))
    assert rec.meta["dropped"] == []


def test_bad_lines_are_dropped_counted_and_leave_a_gap(tmp_path: Path) -> None:
    table = rows(200, label=0)
    table[20] = table[20][:7]
    table[21] = [*table[21], "0", "0"]
    table[60][3] = "oops"
    table[99][0] = "nan"
    table[100][0] = "-inf"
    rec = read_session(save(tmp_path / "a.txt", table))
    assert {drop["reason"]: (drop["count"], drop["lines"]) for drop in rec.meta["dropped"]} == {
        "expected 9 numbers, found 7": (1, [21]),
        "expected 9 numbers, found 11": (1, [22]),
        "text where a number belongs": (1, [61]),
        "NaN or infinite value": (2, [100, 101]),
    }
    assert rec.sample.tolist() == [n for n in range(200) if n not in (20, 21, 60, 99, 100)]
    assert (rec.emg[:, 0] == rec.sample % 100).all()
    assert [(s.start, s.stop) for s in rec.segments()] == [(0, 20), (20, 58), (58, 96), (96, 195)]
    np.testing.assert_allclose(rec.t, rec.sample / 200)


def test_a_damaged_first_line_does_not_decide_the_layout(tmp_path: Path) -> None:
    table = rows(100)
    table[0] = table[0][:3]
    rec = read_session(save(tmp_path / "a.txt", table))
    assert rec.sample.tolist() == list(range(1, 100))
    assert rec.meta["dropped"][0]["lines"] == [1]


@pytest.mark.slow
def test_many_blocks_keep_their_line_numbers(tmp_path: Path) -> None:
    table = rows(200_000)
    table[150_000] = ["x"]
    rec = read_session(save(tmp_path / "a.txt", table))
    assert rec.meta["dropped"] == [
        {"reason": "expected 8 numbers, found 1", "count": 1, "lines": [150_001], "place": "line"}
    ]
    assert len(rec) == 199_999
    assert (rec.emg[:, 0] == rec.sample % 100).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n\n", "only blank lines"),
        (b"1,2,3,4,5,6,7\n" * 50, r"f:1: expected 8 numbers \(and a label\), found 7"),
        (b"1,2,3,4,5,6,7,8,9,10\n" * 50, r"f:1: expected 8 numbers \(and a label\), found 10"),
        (b"1,2,3,4,5,6,7,8\n" * 6 + b"1,2,3,four,5,6,7,8\n", r"f:7: 'four' is not a number; 1 of 7 lines"),
        (b"1,2,3,4,5,6,7,8\n" * 3 + b"1,2,3,4,5,6,7,nan\n", r"f:4: NaN or infinite value; 1 of 4 lines"),
        (b"1,2,3,4,5,6,7,8\n" * 3 + b"1,2,3,4,5,6,7,1e39\n", r"f:4: NaN or infinite value"),
        (b"nan,nan,nan,nan,nan,nan,nan,nan\n" * 3, r"f:1: NaN or infinite value; 3 of 3 lines"),
        (b"1,2,3,4,5,6,7,8,0.5\n" * 3, r"f:1: the label `0.5` is not a whole number"),
        (b"time,a,b\n1,2,3\n", r"f:1: the header `time,a,b` is not known; expected the header `t,ch1,"),
        (",".join(HEADER).encode() + b"\n", "holds no samples"),
        (b"It was a dark and stormy night.\n", r"f:1: the header"),
        (b"\x7fELF\x00\x01", "neither MCAP nor text"),
        (b"\x1f\x8b\x08\x00", "nothing that can be unpacked"),
        (gzip.compress(b"", mtime=0), "nothing that can be unpacked"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    with pytest.raises(SessionError, match=message) as caught:
        read_session(path)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="no such file"):
        read_session(tmp_path / "nothing.csv")
    with pytest.raises(SessionError, match="is a folder"):
        read_session(tmp_path)
    with pytest.raises(SessionError, match="one device"):
        read_session(save(tmp_path / "a.txt", rows(10)), device=1)


def test_garbage_is_refused_before_all_of_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"1,2,3,4,5,6,7,8\n" * 90 + b"1,2,3\n" * 2_000_000)
    with pytest.raises(SessionError, match=r"f:91: expected 8 numbers, found 3; \d+ of \d+ lines") as caught:
        read_session(path)
    found = re.search(r"of (\d+) lines", str(caught.value))
    assert found
    assert int(found[1]) < 1_000_000


def test_a_truncated_or_damaged_archive_gives_what_comes_before(tmp_path: Path) -> None:
    table = [[str((n * n * 7919) % 251 - 125)] * 8 for n in range(20_000)]
    packed = gzip.compress(save(tmp_path / "a.txt", table).read_bytes())
    path = tmp_path / "a.txt.gz"
    path.write_bytes(packed[: len(packed) // 2])
    rec = read_session(path)
    assert 1000 < len(rec) < 20_000
    assert rec.emg[:, 0].tolist() == [float(row[0]) for row in table[: len(rec)]]
    assert rec.meta["notes"] == ["the gzip archive is truncated: only what comes before was read"]
    damaged = bytearray(packed)
    damaged[len(packed) // 2 : len(packed) // 2 + 64] = bytes(64)
    path.write_bytes(damaged)
    rec = read_session(path)
    assert 1000 < len(rec) < 20_000
    assert any("damaged" in note for note in rec.meta["notes"])


def test_csv_with_times(tmp_path: Path) -> None:
    t = 12.5 + np.arange(1000) / 250
    rec = read_session(csv(tmp_path / "a.csv", t))
    assert rec.rate_hz == 250.0
    np.testing.assert_allclose(rec.t, t, atol=1e-6)
    assert rec.sample.tolist() == list(range(1000))
    assert rec.joints is None
    assert rec.meta["format"] == "csv"
    assert read_session(csv(tmp_path / "b.csv", t), rate=260.0).rate_hz == 260.0


def test_time_gaps_in_csv_split_it(tmp_path: Path) -> None:
    t = np.arange(1000) / 200
    t[500:] += 0.05
    t[700:] += 3.0
    rec = read_session(csv(tmp_path / "a.csv", t))
    assert rec.rate_hz == 200.0
    assert [(s.start, s.stop) for s in rec.segments()] == [(0, 500), (500, 700), (700, 1000)]
    assert rec.sample[500] == 510
    assert rec.sample[700] == 700 + 10 + 600


def test_a_dropped_line_of_csv_is_a_gap(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", np.arange(200) / 200)
    lines = path.read_text().splitlines()
    lines[51] = lines[51].replace(",", ";")
    path.write_text("\n".join(lines))
    rec = read_session(path)
    assert rec.meta["dropped"][0]["lines"] == [52]
    assert rec.sample.tolist() == [n for n in range(200) if n != 50]


def test_arrival_times_that_come_in_bursts_are_no_gaps(tmp_path: Path) -> None:
    t = np.repeat(np.arange(400) * 0.06, 3) + np.tile([0, 0.001, 0.002], 400)
    t[600:] += 5.0
    rec = read_session(csv(tmp_path / "a.csv", t))
    assert rec.rate_hz == pytest.approx(50.0, rel=0.01)
    assert [(s.start, s.stop) for s in rec.segments()] == [(0, 600), (600, 1200)]
    assert any("irregular" in note for note in rec.meta["notes"])


def test_joined_files_whose_time_goes_back_go_on(tmp_path: Path) -> None:
    t = np.concatenate((np.arange(300), np.arange(300))) / 200
    rec = read_session(csv(tmp_path / "a.csv", t))
    np.testing.assert_allclose(rec.t, np.arange(600) / 200, atol=1e-6)
    assert [(s.start, s.stop) for s in rec.segments()] == [(0, 300), (300, 600)]
    assert any("goes back" in note for note in rec.meta["notes"])


@pytest.mark.parametrize(
    ("t", "message"),
    [(np.zeros(50), "does not advance"), (np.arange(50) * 1e5, "s apart"), (np.zeros(1), "does not advance")],
)
def test_times_that_say_no_rate_are_refused(tmp_path: Path, t: Any, message: str) -> None:
    with pytest.raises(SessionError, match=message):
        read_session(csv(tmp_path / "a.csv", t))


def test_csv_with_joints_some_missing(tmp_path: Path) -> None:
    joints: list[list[Any]] = np.arange(50 * VALUES).reshape(50, VALUES).tolist()
    joints[10] = [""] * VALUES
    joints[20] = ["nan"] * VALUES
    rec = read_session(csv(tmp_path / "a.csv", np.arange(50) / 200, joints))
    assert len(rec) == 50
    assert rec.joints is not None
    assert rec.label_t is not None
    assert rec.joints.shape == (48, VALUES)
    assert rec.joints[10].tolist() == joints[11]
    np.testing.assert_allclose(rec.label_t, [n / 200 for n in range(50) if n not in (10, 20)])
    assert "2 rows have no label" in rec.meta["notes"]


def joined(path: Path, table: list[list[float]]) -> Path:
    names = ["Leap timestamp", "timestamp diff", "emg timestamp", *HEADER[1:]]
    parts = ["Wrist"] + [
        f"{finger} {part}"
        for finger in ("Thumb", "Index", "Middle", "Ring", "Pinky")
        for part in ("Proximal", "Intermediate", "Distal", "Tip")
    ]
    names += [f"{part} {axis}" for part in parts for axis in "xyz"]
    return save(path, [[repr(float(value)) for value in row] for row in table], head=",".join(names) + "\n")


def joined_rows(t: Any) -> list[list[float]]:
    hand = np.random.default_rng(3).normal(0, 40, (POINTS, 3))
    poses = hand + np.random.default_rng(4).normal(0, 5, (len(t), POINTS, 3))
    return [
        [at + 0.01, -0.01, at, *(100.0 + n % 50 + np.arange(8)), *pose.ravel()]
        for n, (at, pose) in enumerate(zip(t, poses, strict=True))
    ]


def test_the_joined_csv_of_the_ancestor(tmp_path: Path) -> None:
    t = 1_575_000_000.0 + np.arange(200) * 0.02
    t[120:] += 45.0
    table = joined_rows(t)
    zeros = [0.0] * 74
    rec = read_session(joined(tmp_path / "a.csv", [*table[:50], zeros, *table[50:], zeros, zeros]))
    assert len(rec) == 200
    assert rec.meta["dropped"] == [{"reason": "row of zeros", "count": 3, "lines": [52, 203, 204], "place": "line"}]
    assert (rec.rate_hz, rec.emg_mode, rec.unit, rec.hand) == (50.0, "envelope", "adc", "right")
    assert rec.emg[3].tolist() == [103, 104, 105, 106, 107, 108, 109, 110]
    assert [(s.start, s.stop) for s in rec.segments()] == [(0, 120), (120, 200)]
    assert rec.sample[120] - rec.sample[119] == pytest.approx(45 * 50, abs=1.5)
    assert rec.joints is not None
    expected = to_hand_frame(np.array(table)[:, 11:].reshape(-1, POINTS, 3), "right").reshape(-1, VALUES)
    np.testing.assert_allclose(rec.joints, expected, atol=1e-3)
    assert np.abs(rec.joints[:, :3]).max() < 1e-4


def test_a_joined_csv_without_its_columns_or_hand(tmp_path: Path) -> None:
    table = joined_rows(np.arange(1, 101) * 0.02)
    for row in table[10:20]:
        row[11:] = [0.0] * VALUES
    path = joined(tmp_path / "a.csv", table)
    rec = read_session(path)
    assert len(rec) == 100
    assert rec.joints is not None
    assert len(rec.joints) == 90
    path.write_text(path.read_text().replace("Pinky Tip z", "Pinky Tip z,more", 1))
    with pytest.raises(SessionError, match=r"a.csv:1: expected the 74 columns .* found 75"):
        read_session(path)
    with pytest.raises(SessionError, match="only rows of zeros"):
        read_session(joined(tmp_path / "b.csv", [[0.0] * 74] * 5))


def test_random_damage_never_raises_anything_else(tmp_path: Path) -> None:
    poses = np.random.default_rng(1).normal(0, 50, (60, VALUES)).round(2)
    whole = [
        save(tmp_path / "bare", rows(60, label=3)),
        csv(tmp_path / "csv", np.arange(60) / 200),
        csv(tmp_path / "posed", np.arange(60) / 200, poses),
        joined(tmp_path / "joined", joined_rows(np.arange(1, 61) * 0.02)),
    ]
    dice = random.Random(2)
    letters = b"0123456789.,-eE+ \t\n\r\x00nainfN\xff"
    read = 0
    path = tmp_path / "damaged"
    for data in [path.read_bytes() for path in whole]:
        for _ in range(150):
            damaged = bytearray(data)
            for _ in range(dice.randint(1, 8)):
                damaged[dice.randrange(len(damaged))] = dice.choice(letters)
            path.write_bytes(damaged)
            try:
                read += len(read_session(path)) > 0
            except SessionError:
                continue
    assert read > 100


def real(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"real recordings are not here: {path.name}")
    return path


def test_a_real_session_with_two_malformed_rows() -> None:
    rec = read_session(real("myo-readings-dataset", "_readings_right_hand", "64917-1", "2.txt.gz"))
    assert {d["reason"]: d["lines"] for d in rec.meta["dropped"]} == {
        "expected 9 numbers, found 11": [1032],
        "expected 9 numbers, found 7": [1033],
    }
    assert len(rec) == 12_074
    assert len(list(rec.segments())) == 2
    assert (rec.meta["user"], rec.meta["session"], rec.meta["gesture"], rec.hand) == ("64917", "1", "2", "right")
    assert rec.classes is not None
    assert set(rec.classes.tolist()) == {0, 2}


def test_a_real_session_separated_by_comma_and_blank() -> None:
    folder = real("myo-readings-dataset", "_readings_right_hand", "35622-1")
    for path in sorted(folder.iterdir()):
        rec = read_session(path)
        assert len(rec) == 12_000
        assert rec.meta["dropped"] == []


def test_real_sessions_of_left_hands() -> None:
    folder = real("myo-readings-dataset", "_readings_left_hand", "44444-1")
    assert read_session(folder / "7.txt.gz").hand == "left"


def test_real_recordings_without_labels() -> None:
    folder = real("libemg-tests", "tests", "data", "myo_dataset")
    for path in sorted(folder.iterdir())[:5]:
        rec = read_session(path)
        assert 500 < len(rec) < 700
        assert rec.classes is None
        assert rec.meta["dropped"] == []
        assert np.abs(rec.emg).max() <= 128
