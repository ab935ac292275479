"""The Cyton's packets: the published example, nasty transports, exact loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.cyton import protocol
from drivers.cyton.protocol import CytonParser, CytonRun
from models.arrays import Float32Array
from tests.fakes import transports
from tests.fakes.transports import Transport

EXAMPLE = (
    "A0 2A 000001 FFFFFF 7FFFFF 800000 0003E8 FFFC18 123456 000000 0000 0000 1F40 C0"  # counts, then acceleration z
)


def packet(counter: int, counts: list[int], aux: bytes = bytes(6), footer: int = 0xC0) -> bytes:
    body = b"".join(int(count).to_bytes(3, "big", signed=True) for count in counts)
    return bytes((0xA0, counter % 256)) + body + aux + bytes((footer,))


def stream(seed: int, count: int = 200, start: int = 0) -> tuple[list[bytes], Float32Array]:
    """Packets whose data is full of start bytes and footers, and the microvolts in them."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(-(2**23), 2**23, (count, 8))
    confusing = rng.random(counts.shape) < 0.3
    counts[confusing] = (0xA0C0A0 - 2**24, 0x00A0C1, -(2**23))[seed % 3]
    packets = [packet(start + n, row, rng.bytes(6), 0xC0 + n % 7) for n, row in enumerate(counts.tolist())]
    return packets, (counts * protocol.microvolts_per_count()).astype(np.float32)


def collect(parser: CytonParser, chunks: transports.Chunks) -> list[CytonRun]:
    return [run for chunk in chunks for run in parser.feed(chunk)]


def indices(runs: list[CytonRun]) -> list[int]:
    """Where each sample belongs, counted by the losses that were told."""
    found: list[int] = []
    for run in runs:
        start = (found[-1] + 1 if found else 0) + run.lost
        found += range(start, start + len(run.samples))
    return found


def test_the_published_packet_is_decoded() -> None:
    example = bytes.fromhex(EXAMPLE)
    following = packet(0x2B, [0] * 8) + packet(0x2C, [0] * 8)
    (run,) = CytonParser().feed(example + following)
    expected = [0.02235, -0.02235, 187500.0, -187500.02, 22.3517, -22.3517, 26666.66, 0.0]
    np.testing.assert_allclose(run.samples[0], expected, rtol=1e-4)
    assert run.samples.dtype == np.float32


def test_a_smaller_gain_means_larger_steps() -> None:
    packets = b"".join(packet(n, [1000] * 8) for n in range(3))
    (low,), (high,) = CytonParser(gain=1).feed(packets), CytonParser(gain=24).feed(packets)
    np.testing.assert_allclose(low.samples, 24 * high.samples, rtol=1e-6)


@pytest.mark.parametrize("transport", transports.GENTLE, ids=str)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_sample_comes_out_however_it_is_cut(transport: Transport, seed: int) -> None:
    packets, samples = stream(seed, start=seed)
    parser = CytonParser()
    runs = collect(parser, transport.deliver(packets, np.random.default_rng(seed)))
    assert np.array_equal(np.concatenate([run.samples for run in runs]), samples)
    assert (parser.packets, parser.skipped) == (len(packets), 0)
    assert {run.lost for run in runs} == {0}


@pytest.mark.parametrize("transport", transports.NOISY + transports.HARMFUL, ids=str)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_lost_is_counted_exactly(transport: Transport, seed: int) -> None:
    packets, samples = stream(seed)
    runs = collect(CytonParser(), transport.deliver(packets, np.random.default_rng(seed)))
    where = indices(runs)
    found = np.concatenate([run.samples for run in runs])
    first = packets.index(next(p for p, s in zip(packets, samples, strict=True) if np.array_equal(s, found[0])))
    harmed = transports.harmed_packets(packets) if transport.harms else len(packets) // 10
    assert len(found) >= len(packets) - 2 * harmed - 3
    right = sum(
        np.array_equal(samples[first + at], row) for at, row in zip(where, found, strict=True) if first + at < 200
    )
    # A harmed byte inside the data of a packet that keeps its length passes for a sample.
    assert right >= len(found) - harmed


@settings(deadline=None)
@given(gap=st.integers(0, 255), start=st.integers(0, 255))
def test_the_counter_shows_any_loss_below_256(gap: int, start: int) -> None:
    packets, _ = stream(5, 300, start)
    runs = CytonParser().feed(b"".join(packets[:20] + packets[20 + gap :]))
    assert sum(run.lost for run in runs) == gap
    assert len(runs) == (2 if gap else 1)


def test_a_new_link_may_count_from_anywhere() -> None:
    packets, _ = stream(6, 40)
    parser = CytonParser()
    parser.feed(b"".join(packets[:10]))
    parser.restart()
    (run,) = parser.feed(b"".join(packets[30:]))
    assert run.lost == 0


def test_ten_million_random_bytes_never_raise_and_keep_no_memory() -> None:
    parser = CytonParser()
    kept = 0
    for chunk in transports.random_bytes(3):
        parser.feed(chunk)
        kept = max(kept, len(parser._buffer))
    assert kept <= 3 * protocol.PACKET
    assert parser.packets * protocol.PACKET + parser.skipped + len(parser._buffer) == 10_000_000


@settings(deadline=None)
@given(st.lists(st.binary(max_size=120), max_size=40))
def test_no_byte_is_forgotten(chunks: list[bytes]) -> None:
    parser = CytonParser()
    collect(parser, iter(chunks))
    assert parser.packets * protocol.PACKET + parser.skipped + len(parser._buffer) == sum(map(len, chunks))
