"""Lines of numbers: separators, banners, extra columns, nasty transports."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.text.parser import LONGEST, PROBE, TextLines, TextRun, parse_numbers
from tests.fakes import transports
from tests.fakes.transports import Transport

BANNER = b"<board is ready>\r\n"


def rows_of(runs: list[TextRun]) -> list[list[float]]:
    return [row for run in runs for row in run.samples.tolist()]


def parse(text: bytes, parser: TextLines | None = None) -> list[list[float]]:
    return rows_of((parser or TextLines()).feed(BANNER + text))


@pytest.mark.parametrize("separator", [",", ", ", "\t", " ", ";", " , ", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(separator: str, end: str) -> None:
    lines = [separator.join(str(n + k) for k in range(8)) + end for n in range(3)]
    assert parse("".join(lines).encode()) == [[float(n + k) for k in range(8)] for n in range(3)]


def test_floats_signs_and_exponents() -> None:
    assert parse(b"-1,+2,3.5,-.5,1e2,0,0.25,7\n") == [[-1, 2, 3.5, -0.5, 100, 0, 0.25, 7]]


def test_the_first_line_may_be_a_part_of_one() -> None:
    parser = TextLines()
    assert rows_of(parser.feed(b"3,2,3,4,5,6,7,8\n1,2,3,4,5,6,7,8\n")) == [[1, 2, 3, 4, 5, 6, 7, 8]]
    assert parser.malformed == 0


@pytest.mark.parametrize(
    "line",
    [
        b"Arduino 8 ready",
        b"1,2,3",
        b"1,2,,4,5,6,7,8",
        b"1,2,x,4,5,6,7,8",
        b"nan,1,2,3,4,5,6,7",
        b"inf 1 2 3 4 5 6 7",
        b"\xff\xfe1,2",
    ],
)
def test_what_is_no_line_of_numbers_is_counted(line: bytes) -> None:
    parser = TextLines()
    good = b"1,2,3,4,5,6,7,8\n"
    runs = parser.feed(BANNER + good + line + b"\n" + good)
    assert len(rows_of(runs)) == 2
    assert [run.lost for run in runs] == [0, 1]
    assert parser.malformed == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{n},10,11,12,13,14,15,16,17", "time stamp first"),
        ("{t:.3f} 10 11 12 13 14 15 16 17 3", "time stamp first, label last"),
        ("e{k},{t:.0f},10,11,12,13,14,15,16,17", "a word, a time stamp"),
        ("10,11,12,13,14,15,16,17,{n}", "time stamp last"),
        ("10,11,12,13,14,15,16,17,1", "label last"),
        ("10,11,12,13,14,15,16,17,fist", "a word last"),
        ("10,11,12,13,14,15,16,17,1,2,3", "auxiliary columns"),
    ],
)
def test_extra_columns_are_left_out(line: str, expected: str) -> None:
    text = "".join(line.format(n=n, k=n % 4, t=1e6 + 5000.0 * n) + "\n" for n in range(3 * PROBE))
    assert parse(text.encode()) == [[10, 11, 12, 13, 14, 15, 16, 17]] * (3 * PROBE), expected


@pytest.mark.case("B13")
@pytest.mark.parametrize(
    "stamp",
    [
        lambda n: n // 2,
        lambda n: n // 12,
        lambda n: n % 256,
        lambda n: (245 + n) % 256,
        lambda n: (9 + n) % 16,
        lambda n: f"{0.001 * n:.3f}",
        lambda n: f"{n},{10 * n}",
    ],
    ids=["repeated", "hardly moving", "counter", "counter about to wrap", "short counter", "seconds", "two columns"],
)
def test_stamps_that_repeat_and_counters_that_wrap(stamp: Callable[[int], object]) -> None:
    rows = np.random.default_rng(5).integers(-90, 90, (40 * PROBE, 8)).tolist()
    text = "".join(f"{stamp(n)},{','.join(map(str, row))}\n" for n, row in enumerate(rows))
    parser = TextLines()
    assert parse(text.encode(), parser) == rows
    assert parser.skipped == (2 if isinstance(stamp(0), str) and "," in str(stamp(0)) else 1)
    assert f"{parser.skipped + 1}-{parser.skipped + 8} are channels 1-8" in parser.columns


def test_it_is_told_which_numbers_of_longer_lines_are_taken() -> None:
    sixteen = ",".join(map(str, range(16)))
    for channels, told in ((range(8), "1-8"), (range(1, 9), "2-9"), (range(0, 15, 2), "1, 3, 5, 7, 9, 11, 13, 15")):
        parser = TextLines(channels=channels)
        parse(f"{sixteen}\n".encode() * 200, parser)
        assert parser.columns.startswith(f"of 16 numbers in a line {told} are channels 1-8 (?first=")
    parser = TextLines()
    parse(b"1,2,3,4,5,6,7,8\n" * 200, parser)
    assert parser.columns == ""


@pytest.mark.case("B15")
@pytest.mark.parametrize(
    "line",
    [
        b"0,5;1,5;2,5;3,5;4,5;5,5;6,5;7,5",
        b"0,5|1,5|2,5|3,5|4,5|5,5|6,5|7,5",
        b"(0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5)",
        b"0,5\t1,5\t2,5\t3,5\t4,5\t5,5\t6,5\t7,5",
        b"0,5 1,5 2,5 3,5 4,5 5,5 6,5 7,5",
        b"emg1:0.5,emg2:1.5,emg3:2.5,emg4:3.5,emg5:4.5,emg6:5.5,emg7:6.5,emg8:7.5",
        b"a:0.5 b:1.5 c:2.5 d:3.5 e:4.5 f:5.5 g:6.5 h:7.5",
    ],
)
def test_decimal_commas_and_names_before_numbers(line: bytes) -> None:
    assert parse((line + b"\n") * 3) == [[n + 0.5 for n in range(8)]] * 3


def test_the_first_column_can_be_named() -> None:
    assert parse(b"7,9,1,2,3,4,5,6,7,8\n", TextLines(first=3)) == [[1, 2, 3, 4, 5, 6, 7, 8]]
    assert parse(b"1,2,3,4,5,6,7,8\n", TextLines(first=3)) == []


@pytest.mark.parametrize(
    "line",
    [
        "min:-200,max:200,emg1:{0},emg2:{1},emg3:{2},emg4:{3},emg5:{4},emg6:{5},emg7:{6},emg8:{7}",
        "Time:17\tCH1:{0}\tCH2:{1}\tCH3:{2}\tCH4:{3}\tCH5:{4}\tCH6:{5}\tCH7:{6}\tCH8:{7}",
        "emg8:{7} emg7:{6} emg6:{5} emg5:{4} emg4:{3} emg3:{2} emg2:{1} emg1:{0} battery:99",
        "s0:{0},s1:{1},s2:{2},s3:{3},s4:{4},s5:{5},s6:{6},s7:{7},v1:5,v2:7",
    ],
)
def test_numbered_names_say_which_numbers_are_channels(line: str) -> None:
    rows = np.random.default_rng(2).integers(-90, 90, (40, 8)).tolist()
    assert parse("".join(line.format(*row) + "\n" for row in rows).encode()) == rows


def test_eight_of_sixteen_channels() -> None:
    rows = np.random.default_rng(2).integers(-90, 90, (60, 16)).tolist()
    text = "".join(f"{n}," + ",".join(map(str, row)) + "\n" for n, row in enumerate(rows)).encode()
    chosen = [1, 2, 3, 4, 8, 9, 10, 15]
    assert parse(text, TextLines(channels=chosen)) == [[row[k] for k in chosen] for row in rows]
    named = "".join(",".join(f"ch{k + 1}:{row[k]}" for k in range(16)) + "\n" for row in rows).encode()
    assert parse(named, TextLines(channels=chosen)) == [[row[k] for k in chosen] for row in rows]
    assert parse(b"1,2,3,4,5,6,7,8\n" * 20, TextLines(channels=range(8, 16))) == []


def counted(numbers: list[int]) -> tuple[list[list[int]], list[TextRun], TextLines]:
    """Rows by their numbers, and what comes out of lines that arrive so."""
    rows = np.random.default_rng(7).integers(-90, 90, (400, 8)).tolist()
    lines = [f"{n % 256},{','.join(map(str, rows[n]))}\n".encode() for n in numbers]
    parser = TextLines()
    parser.feed(BANNER)
    return rows, [run for line in lines for run in parser.feed(line)], parser


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_datagrams_that_are_lost_late_or_double_leave_the_rest_where_it_belongs(data: st.DataObject) -> None:
    """In any small disorder, also among the first, where the columns are not known yet."""
    first, last = 30, 250
    lost = data.draw(st.sets(st.integers(first + PROBE + 4, last - 1), max_size=40))
    numbers = [n for n in range(first, last) if n not in lost]
    for place in sorted(data.draw(st.sets(st.integers(0, len(numbers) - 5), max_size=20)), reverse=True):
        if data.draw(st.booleans()):
            numbers.insert(place + 2, numbers[place])
        else:
            numbers[place], numbers[place + 1] = numbers[place + 1], numbers[place]
    rows, runs, parser = counted(numbers)
    at = first
    for run in runs:
        at += run.lost
        for row in run.samples.tolist():
            assert row == rows[at], "what comes out is where it belongs"
            at += 1
    assert sum(len(run.samples) for run in runs) >= len(set(numbers)) - parser.late


def test_datagrams_that_overtake_each_other_where_the_columns_become_known() -> None:
    rows, runs, _ = counted([31, 30, *range(32, 45), 47, 45, 46, *range(48, 250)])
    assert rows_of(runs) == rows[30:250]


def test_three_datagrams_that_were_overtaken_are_no_restart() -> None:
    rows, runs, parser = counted([*range(30, 80), 83, 80, 81, 82, *range(84, 250)])
    assert [run.lost for run in runs if run.lost] == [3]
    assert rows_of(runs) == rows[30:80] + rows[83:250]
    assert parser.late == 3


def test_a_counter_that_begins_again_is_a_board_that_was_restarted() -> None:
    rows, runs, parser = counted([*range(100), *range(50, 150)])
    assert sum(len(run.samples) for run in runs) >= 195
    assert parser.late <= 3
    assert runs[-1].samples.tolist()[-1] == rows[149]


def test_a_time_that_looked_like_a_counter_costs_no_samples() -> None:
    """Milliseconds of a board at about 1,000 Hz: by one at first, then twice the same."""
    rows = np.random.default_rng(9).integers(-90, 90, (200, 8)).tolist()
    times = [*range(40), *(39 + n // 2 for n in range(160))]
    text = "".join(f"{t},{','.join(map(str, row))}\n" for t, row in zip(times, rows, strict=True))
    assert parse(text.encode()) == rows


def test_a_new_layout_is_learnt_when_the_old_one_no_longer_fits() -> None:
    parser = TextLines()
    parse(b"1,2,3,4,5,6,7,8\n" * 20, parser)
    wide = b"".join(b"%d,1,2,3,4,5,6,7,8\n" % n for n in range(4 * PROBE))
    found = rows_of(parser.feed(wide))
    assert found == [[1, 2, 3, 4, 5, 6, 7, 8]] * (3 * PROBE)


def sample_lines(seed: int, count: int = 240) -> tuple[list[bytes], list[list[float]]]:
    rows = np.random.default_rng(seed).integers(-128, 128, (count, 8)).tolist()
    return [",".join(map(str, row)).encode() + b"\r\n" for row in rows], rows


@pytest.mark.parametrize("transport", transports.GENTLE, ids=str)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_line_comes_out_however_it_is_cut(transport: Transport, seed: int) -> None:
    lines, rows = sample_lines(seed)
    parser = TextLines()
    runs = [
        run for chunk in transport.deliver([BANNER, *lines], np.random.default_rng(seed)) for run in parser.feed(chunk)
    ]
    assert rows_of(runs) == rows
    assert {run.lost for run in runs} == {0}


@pytest.mark.parametrize("transport", transports.NOISY + transports.HARMFUL, ids=str)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_harm_costs_at_most_two_lines_each(transport: Transport, seed: int) -> None:
    lines, rows = sample_lines(seed)
    parser = TextLines()
    chunks = transport.deliver([BANNER, *lines], np.random.default_rng(seed))
    found = rows_of([run for chunk in chunks for run in parser.feed(chunk)])
    intact = {tuple(row) for row in rows}
    harmed = transports.harmed_packets(lines) + 1 if transport.harms else len(lines) // 10 + 2
    assert sum(tuple(row) in intact for row in found) >= len(rows) - 2 * harmed


@pytest.mark.parametrize("alphabet", [bytes(range(256)), b"0123456789,.-+eE \t\r\n", b"1", b"\n", b"1,"])
def test_ten_million_random_bytes_never_raise_and_keep_no_memory(alphabet: bytes) -> None:
    table = bytes(alphabet[n % len(alphabet)] for n in range(256))
    parser = TextLines()
    total = 10_000_000 if len(alphabet) == 256 else 1_000_000
    kept = 0
    for chunk in transports.random_bytes(4, total):
        for run in parser.feed(chunk.translate(table)):
            assert np.isfinite(run.samples).all()
        kept = max(kept, len(parser._buffer))
    assert kept <= LONGEST


def test_a_number_too_large_for_a_sample_is_no_number() -> None:
    assert parse_numbers(b"1,1e39,3,4,5,6,7,8") == []
    assert parse_numbers(b"1,1e999,3") == []
    # A dead sensor at either end, which is no name of a row: without it the others would move by one.
    assert parse_numbers(b"nan,1,2,3,4,5,6,7,8") == []
    assert parse_numbers(b"1,2,3,4,5,6,7,8,inf") == []


@settings(deadline=None)
@given(st.lists(st.binary(max_size=600), max_size=30))
def test_no_bytes_raise(chunks: list[bytes]) -> None:
    parser = TextLines()
    for chunk in chunks:
        for run in parser.feed(chunk):
            assert run.samples.shape[1] == 8
