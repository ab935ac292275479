"""Chords: packets by hand, nasty transports, losses by the counter, names of boards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chords.protocol import BOARDS, ChordsParser, ChordsRun, board_named
from tests.fakes import transports
from tests.fakes.boards import chords_packet
from tests.fakes.transports import Transport

NANO = BOARDS["NANO-CLONE"]


def sample_packets(seed: int, count: int = 300, channels: int = 8) -> tuple[list[bytes], list[list[int]]]:
    rows = np.random.default_rng(seed).integers(0, 1024, (count, channels)).tolist()
    first = seed % 256
    return [chords_packet(first + n, row) for n, row in enumerate(rows)], rows


def rows_of(runs: list[ChordsRun]) -> list[list[float]]:
    return [row for run in runs for row in (run.samples + 512).tolist()]


def test_a_packet_of_the_vendor() -> None:
    packet = bytes.fromhex("C77C05020001FE0203025801900200" + "01FF03FF01")
    following = [chords_packet(n, [512] * 8) for n in (6, 7)]
    (run,) = ChordsParser(NANO).feed(packet + b"".join(following))
    assert (run.samples[0] + 512).tolist() == [512, 510, 515, 600, 400, 512, 511, 1023]
    assert run.lost == 0


def test_eight_of_sixteen_channels() -> None:
    packets, rows = sample_packets(1, 20, channels=16)
    parser = ChordsParser(BOARDS["MEGA-2560-R3"], [1, 2, 3, 4, 8, 9, 10, 11])
    found = rows_of(parser.feed(b"".join(packets)))
    assert found == [[row[k] for k in (1, 2, 3, 4, 8, 9, 10, 11)] for row in rows]


@pytest.mark.parametrize("transport", transports.GENTLE, ids=str)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_packet_comes_out_however_it_is_cut(transport: Transport, seed: int) -> None:
    packets, rows = sample_packets(seed)
    parser = ChordsParser(NANO)
    runs = [run for chunk in transport.deliver(packets, np.random.default_rng(seed)) for run in parser.feed(chunk)]
    assert rows_of(runs) == rows
    assert {run.lost for run in runs} == {0}


@pytest.mark.parametrize("transport", transports.NOISY + transports.HARMFUL, ids=str)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_harm_costs_few_packets_and_no_place(transport: Transport, seed: int) -> None:
    """The counter wraps on the way; what comes out is where it belongs."""
    packets, rows = sample_packets(seed)
    parser = ChordsParser(NANO)
    at, found = -1, 0
    for chunk in transport.deliver(packets, np.random.default_rng(seed)):
        for run in parser.feed(chunk):
            values = (run.samples + 512).tolist()
            at = (next(n for n, row in enumerate(rows) if row in values) - 1) if at < 0 else at
            at += run.lost
            for row in values:
                at += 1
                found += row == rows[at % len(rows)]
    harmed = transports.harmed_packets(packets) + 1 if transport.harms else len(packets) // 10 + 2
    assert found >= len(rows) - 4 * harmed


def test_losses_are_exact_across_the_wrap_of_the_counter() -> None:
    packets, rows = sample_packets(200)
    del packets[54:60], packets[100]
    runs = ChordsParser(NANO).feed(b"".join(packets))
    assert [run.lost for run in runs] == [0, 6, 1]
    assert rows_of(runs) == [row for n, row in enumerate(rows) if not (54 <= n < 60 or n == 106)]


def test_ten_million_random_bytes_never_raise_and_keep_no_memory() -> None:
    parser = ChordsParser(NANO)
    kept = 0
    for chunk in transports.random_bytes(7, 3_000_000):
        parser.feed(chunk)
        kept = max(kept, len(parser._buffer))
    assert kept <= 3 * NANO.packet


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=40), st.sampled_from(sorted(BOARDS)))
def test_no_bytes_raise(chunks: list[bytes], name: str) -> None:
    if BOARDS[name].channels < 8:
        return
    parser = ChordsParser(BOARDS[name])
    for chunk in chunks:
        for run in parser.feed(chunk):
            assert np.isfinite(run.samples).all()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"NANO-CLONE\r\n", "NANO-CLONE"),
        (b"\xc7\x7c\x01\x02UNO-R4\r\n\xc7", "UNO-R4"),
        (b"MEGA-2560-CLONE\n", "MEGA-2560-CLONE"),
        (b"GENUINO-UNO\r\n", "GENUINO-UNO"),
    ],
)
def test_a_board_says_its_name(text: bytes, name: str) -> None:
    assert board_named(text) == BOARDS[name]


def test_no_name_and_an_unknown_one() -> None:
    assert board_named(b"NANO-CLO") is None
    assert board_named(b"\x00\xff hello\r\n") is None
    assert board_named(b"TEENSY-41\r\n") == "TEENSY-41"
