"""Training data stay within twice the memory of the recordings that they are made of."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from models.architectures.base import NetworkConfig
from models.forward.generator import session
from models.recording import Recording
from tests.support.training import needs_training, prepare

pytestmark = needs_training

RAW = NetworkConfig(200.0, "raw")


@pytest.mark.parametrize("name", ["lstm_fc", "stream_mlp_slow"])
def test_sessions_are_read_one_at_a_time_and_kept_once(name: str) -> None:
    """Memory stays under twice the raw data: EMG and labels, float32."""
    from models.architectures import network
    from models.data.segments import segments_of
    from models.training.run import batches

    prepare()
    raw = 0
    chosen = network(name)
    built = chosen.assemble(RAW)

    def lazily() -> Iterator[Recording]:
        nonlocal raw
        for user in range(6):
            recording = session(user, 0, 60.0, seed=2, losses=False)
            raw += recording.emg.nbytes + (0 if recording.joints is None else recording.joints.nbytes)
            yield recording

    list(segments_of([session(9, 0, 5.0)], RAW))
    tracemalloc.start()
    data = batches(chosen, built, list(segments_of(lazily(), RAW)), RAW)
    alive, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(data) > 6 * 2900
    assert alive < 2 * raw
