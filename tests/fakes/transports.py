"""Transports that cut, join and damage a byte stream; the tests of every decoder run through all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Chunks = Iterator[bytes]
Deliver = Callable[[Sequence[bytes], np.random.Generator], Chunks]


@dataclass(frozen=True)
class Transport:
    """How packets become the chunks that a decoder is fed with."""

    name: str
    deliver: Deliver
    harms: bool = False
    """Bytes of the packets themselves are lost, doubled or damaged."""

    def __str__(self) -> str:
        return self.name


def _one_byte_at_a_time(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    return (bytes((byte,)) for byte in b"".join(packets))


def _all_at_once(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    yield b"".join(packets)


def _random_chunks(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    return _cut(b"".join(packets), rng)


def _cut_in_the_middle(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    rest = b""
    for packet in packets:
        middle = len(packet) // 2
        yield rest + packet[:middle]
        rest = packet[middle:]
    yield rest


def _empty_chunks_between(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    for packet in packets:
        yield b""
        yield packet


def _garbage_before(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    yield rng.bytes(200)
    yield from packets


def _garbage_between(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    for number, packet in enumerate(packets):
        if number % 10 == 9:
            yield rng.bytes(int(rng.integers(1, 40)))
        yield packet


def _tail_of_an_old_stream(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    old = packets[int(rng.integers(len(packets)))]
    yield old[int(rng.integers(1, len(old))) :]
    yield from packets


def _lost_bytes(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    return _cut(b"".join(_harmed(packets, rng, lambda packet, at: packet[:at] + packet[at + 1 :])), rng)


def _doubled_bytes(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    return _cut(b"".join(_harmed(packets, rng, lambda packet, at: packet[: at + 1] + packet[at:])), rng)


def _flipped_bits(packets: Sequence[bytes], rng: np.random.Generator) -> Chunks:
    def flip(packet: bytes, at: int) -> bytes:
        return packet[:at] + bytes((packet[at] ^ 1 << int(rng.integers(8)),)) + packet[at + 1 :]

    return _cut(b"".join(_harmed(packets, rng, flip)), rng)


EVERY = 12
"""One packet of so many is harmed."""


def _harmed(packets: Sequence[bytes], rng: np.random.Generator, harm: Callable[[bytes, int], bytes]) -> Iterator[bytes]:
    for number, packet in enumerate(packets):
        yield harm(packet, int(rng.integers(len(packet)))) if number % EVERY == EVERY // 2 else packet


def _cut(data: bytes, rng: np.random.Generator) -> Chunks:
    at = 0
    while at < len(data):
        size = int(rng.integers(1, 90))
        yield data[at : at + size]
        at += size


GENTLE = (
    Transport("one byte at a time", _one_byte_at_a_time),
    Transport("all at once", _all_at_once),
    Transport("random chunks", _random_chunks),
    Transport("cut in the middle", _cut_in_the_middle),
    Transport("empty chunks between", _empty_chunks_between),
)
NOISY = (
    Transport("garbage before", _garbage_before),
    Transport("garbage between", _garbage_between),
    Transport("tail of an old stream", _tail_of_an_old_stream),
)
HARMFUL = (
    Transport("lost bytes", _lost_bytes, harms=True),
    Transport("doubled bytes", _doubled_bytes, harms=True),
    Transport("flipped bits", _flipped_bits, harms=True),
)
ALL = GENTLE + NOISY + HARMFUL


def harmed_packets(packets: Sequence[bytes]) -> int:
    """How many packets a harmful transport touches."""
    return len(range(EVERY // 2, len(packets), EVERY))


def random_bytes(seed: int, total: int = 10_000_000, chunk: int = 4096) -> Chunks:
    """So many random bytes, all of them."""
    rng = np.random.default_rng(seed)
    return (rng.bytes(min(chunk, total - at)) for at in range(0, total, chunk))
