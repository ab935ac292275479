"""gForce: bytes by hand, parts in every order, garbage, and whole streams of an armband that follows the protocol."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gforce.protocol import RATE_HZ, Answer, Bits, GForceDecoder, PartialValues, set_emg, set_streams
from tests.fakes import gforce
from tests.fakes.gforce import EmulatedGForce
from tests.support.signals import made_up


def test_commands_are_those_of_the_vendor() -> None:
    assert set_emg(8, 1000.0).hex() == "3fe803ff008008"
    assert set_emg(12, 500.0).hex() == "3ff401ff00800c"
    assert set_emg(8, 500.0).hex() == "3ff401ff008008"
    assert set_streams(emg=True).hex() == "4f80000000"
    assert set_streams(emg=False).hex() == "4f00000000"


def test_eight_bits_are_sixteen_samples_around_zero() -> None:
    samples = GForceDecoder(8).emg(b"\x08" + bytes(range(128)))
    assert samples is not None
    assert samples.tolist() == (np.arange(128).reshape(16, 8) - 128.0).tolist()


def test_twelve_bits_are_eight_samples_around_zero() -> None:
    samples = GForceDecoder(12).emg(b"\x08" + bytes((0x00, 0x08, 0xFF, 0x0F)) * 32)
    assert samples is not None
    assert samples.tolist() == [[0.0, 2047.0] * 4] * 8


def test_an_answer_says_what_it_answers() -> None:
    decoder = GForceDecoder(8)
    assert decoder.answer(b"\x00\x08\x42") == Answer(8, 0, b"\x42")
    assert decoder.answer(b"\xff\x01\x00\x06ab") is None
    assert decoder.answer(b"\xff\x00cd") == Answer(6, 0, b"abcd")
    assert decoder.answer(b"\x00") is None
    assert decoder.malformed == 1


@pytest.mark.parametrize(
    "data",
    [b"\x08", b"\x08" + bytes(7), b"\x08" + bytes(129), b""],
    ids=["no samples", "half a sample", "a sample and a byte", "nothing"],
)
def test_half_packets_are_counted_and_left_out(data: bytes) -> None:
    decoder = GForceDecoder(8)
    assert decoder.emg(data) is None
    assert decoder.malformed == 1


def test_twelve_bits_do_not_hold_more() -> None:
    decoder = GForceDecoder(12)
    assert decoder.emg(b"\x08" + b"\x00\x10" * 64) is None
    assert decoder.malformed == 1


def test_other_data_is_no_emg_and_no_fault() -> None:
    decoder = GForceDecoder(8)
    assert decoder.emg(b"\x05" + bytes(16)) is None
    assert decoder.malformed == 0


def test_a_missing_part_costs_its_value_alone() -> None:
    parts = PartialValues()
    whole = [b"\xff\x02ab", b"\xff\x01cd", b"\xff\x00ef"]
    for missing in range(3):
        assert all(parts.feed(part) != b"abcdef" for n, part in enumerate(whole) if n != missing)
        assert [parts.feed(part) for part in whole] == [None, None, b"abcdef"]
    assert parts.broken >= 2


def stream(bits: Bits, mtu: int, lose: set[int], seconds: float = 1.0) -> tuple[list[bytes], np.ndarray]:
    """The notifications of an armband that streams, and the rows that they carry."""
    counts = made_up(4000).emg
    armband = EmulatedGForce(counts, mtu=mtu)
    for handle in (gforce.COMMAND, gforce.DATA):
        armband.subscribe(handle, 1)
    armband.lose = lose
    armband.write(gforce.COMMAND, set_emg(bits, RATE_HZ[bits]), 100.0)
    armband.write(gforce.COMMAND, set_streams(emg=True), 100.0)
    sent = [value.data for value in armband.due(100.0 + seconds) if value.characteristic == gforce.DATA]
    return sent, counts[: armband.played]


@settings(max_examples=40, deadline=None)
@given(
    bits=st.sampled_from((8, 12)),
    mtu=st.integers(23, 200),
    gaps=st.lists(st.integers(2, 40), max_size=20),
    cut=st.none() | st.integers(0, 130),
)
def test_what_comes_out_is_what_was_sent(bits: Bits, mtu: int, gaps: list[int], cut: int | None) -> None:
    """However the link splits, whatever notification it loses or cuts short: never a wrong row.

    (Where it loses the end of one packet and the beginning of the next, no number tells that what is left is of two.)
    """
    harmed = set(np.cumsum(gaps).tolist())
    sent, rows = stream(bits, mtu, harmed if cut is None else set())
    if cut is not None:
        sent = [data[:cut] if number in harmed else data for number, data in enumerate(sent)]
    decoder = GForceDecoder(bits)
    packets = [samples for data in sent if (samples := decoder.emg(data)) is not None]
    size = 16 if bits == 8 else 8
    known = {rows[start : start + size].tobytes() for start in range(0, len(rows), size)}
    whole = [packet for packet in packets if len(packet) == size]
    assert all(packet.tobytes() in known for packet in whole)
    assert len(whole) >= len(rows) // size - 2 * len(harmed)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=40), st.sampled_from((8, 12)))
def test_no_bytes_raise(values: list[bytes], bits: Bits) -> None:
    decoder = GForceDecoder(bits)
    for value in values:
        decoder.answer(value)
        samples = decoder.emg(value)
        assert samples is None or (samples.shape[1] == 8 and np.isfinite(samples).all())
    assert max(len(decoder._data._value), len(decoder._answers._value)) <= 4096
