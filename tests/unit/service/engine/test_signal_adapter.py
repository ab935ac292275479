from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivers.events import Frame, SourceInfo
from drivers.signal_options import SignalOptions
from drivers.uri import source_from_uri
from models.arrays import Float32Array
from models.spec import ModelError
from service.engine.model_selection import ModelSelector, no_fit
from service.engine.predictor import AS_IN_FILE, Fitted, ModelFile
from service.engine.signal_adapter import SignalAdapter

CYTON = SourceInfo("cyton:", "Cyton", 250.0, "uV")
MYO = SourceInfo("myo:", "Myo", 200.0)
UNTOLD = SignalOptions()


def fit(info: SourceInfo, options: SignalOptions = UNTOLD) -> ModelFile:
    model = ModelSelector().fit(info, options.gain)
    assert model is not None
    return model


def adapter(info: SourceInfo, options: SignalOptions = UNTOLD) -> SignalAdapter:
    return SignalAdapter(info, fit(info, options), options)


def noise(rows: int, level: float = 10.0, seed: int = 0) -> Float32Array:
    return (np.random.default_rng(seed).standard_normal((rows, 8)) * level).astype(np.float32)


def frame(first: int, samples: Float32Array) -> Frame:
    return Frame(first, first / 250.0, samples, first / 250.0)


def test_the_signal_of_a_myo_passes_untouched() -> None:
    mine = adapter(MYO)
    one = frame(0, noise(4))
    assert mine.take(one) is one
    assert (mine.describe(), mine.gain, mine.rate_hz) == (None, 1.0, None)


@pytest.mark.parametrize("rate_hz", [100.0, 250.0, 500.0, 1000.0, 2000.0])
def test_any_rate_gets_a_pose_about_every_20_ms(rate_hz: float) -> None:
    info = replace(CYTON, rate_hz=rate_hz)
    model = fit(info)
    spec = model.open(rate_hz=adapter(info).rate_hz).spec
    assert spec.rate_hz == rate_hz
    assert spec.hop / rate_hz == pytest.approx(0.02, rel=0.1)


def test_too_slow_a_source_is_refused_with_words() -> None:
    slow = replace(CYTON, rate_hz=80.0)
    assert ModelSelector().fit(slow) is None
    assert "they need at least 100 Hz" in no_fit(slow)
    path = Path("service/weights/raw200.onnx")
    with pytest.raises(ModelError, match="expected at least 100 Hz of raw EMG, found 80 Hz"):
        ModelSelector(path).fit(slow)


def test_the_gain_comes_from_the_running_level_then_from_an_alignment() -> None:
    mine = adapter(CYTON)
    assert mine.take(frame(0, noise(20))) is None
    assert mine.describe() is None
    taken = mine.take(frame(20, noise(250)))
    assert taken is not None
    told = mine.describe()
    assert told is not None
    assert (told["rate_hz"], told["from"]) == (250.0, "running level")
    assert mine.news() == told
    assert mine.news() is None
    mine.use(fit(CYTON), Fitted(gain=0.5))
    assert mine.describe() == {"rate_hz": 250.0, "gain": 0.5, "from": "alignment"}
    mine.use(fit(CYTON), AS_IN_FILE)
    assert mine.describe() == told


def test_a_given_gain_counts_in_any_unit() -> None:
    for info in (CYTON, MYO):
        mine = adapter(info, SignalOptions(gain=0.25))
        assert mine.take(frame(0, noise(2))) is not None
        assert mine.describe() == {"rate_hz": info.rate_hz, "gain": 0.25, "from": "?gain="}
        mine.use(fit(info), Fitted(gain=3.0))
        assert mine.gain == 0.25


def test_the_offset_of_an_amplifier_does_not_count_as_level() -> None:
    mine, other = adapter(CYTON), adapter(CYTON)
    mine.take(frame(0, noise(500)))
    other.take(frame(0, noise(500) + 20_000.0))
    assert other.gain == pytest.approx(mine.gain, rel=0.1)


def test_a_gain_that_changes_counts_for_what_is_remembered_too() -> None:
    model = fit(MYO)
    always, changed, scaled = model.open(gain=2.0), model.open(gain=0.5), model.open()
    x = noise(400, 12.0)
    for start in range(0, 400, 4):
        if start == 200:
            changed.gain = 2.0
        for predictor, part in ((always, x), (changed, x), (scaled, 2.0 * x)):
            predictor.load(part[start : start + 4])
        pose, of_changed, of_scaled = always.run(), changed.run(), scaled.run()
        np.testing.assert_allclose(of_scaled, pose, atol=0.01)
        if start >= 200:
            np.testing.assert_allclose(of_changed, pose, atol=0.01)


def test_mains_are_taken_out_of_a_myo_only_where_asked() -> None:
    assert adapter(MYO).mains is False
    mine = adapter(MYO, SignalOptions(mains="60"))
    taken = mine.take(frame(0, noise(4)))
    assert taken is not None
    assert mine.describe() is None
    assert (mine.mains_news(), mine.mains_news()) == (60.0, None)


SERIAL = SourceInfo("serial:/dev/ttyACM0", "a board", 200.0)


@pytest.mark.parametrize(
    ("counts", "foreign"),
    [
        (noise(200, 10.0), False),
        (noise(200, 1.5), False),
        (noise(200, 10.0) + 512.0, True),
        (noise(200, 900.0), True),
        (noise(200, 0.01), True),
        (np.zeros((200, 8), np.float32), False),
    ],
    ids=["a Myo's", "a Myo's at rest", "offset", "12 bits", "volts", "nothing"],
)
def test_counts_of_another_converter_are_noticed(counts: Float32Array, foreign: bool) -> None:
    mine = adapter(SERIAL)
    assert mine.take(frame(0, counts[:50])) is None
    mine.take(frame(50, counts[50:]))
    assert mine.adapting is foreign
    assert mine.rate_hz is None
    told = mine.describe()
    assert (told is not None) is foreign
    if told is not None:
        assert (told["rate_hz"], told["from"]) == (200.0, "running level")
        assert np.abs(counts - counts.mean(axis=0)).mean() * told["gain"] < 30.0
    assert adapter(MYO).take(frame(0, counts[:4])) is not None


@pytest.mark.case("B07")
def test_counts_of_a_file_that_are_no_myos_are_judged_too(tmp_path: Path) -> None:
    path = tmp_path / "bare.txt"
    np.savetxt(path, np.rint(noise(200, 900.0)), "%d")
    info = source_from_uri(f"replay:{path}").info
    assert info.other_counts
    assert not source_from_uri(f"replay:{path}?unit=adc").info.other_counts
    mine = adapter(info)
    mine.take(frame(0, noise(200, 900.0)))
    assert mine.adapting


def test_levels_with_the_mains_in_them_are_forgotten_when_these_are_found() -> None:
    t = np.arange(1250) / 250.0
    hum = 60.0 * np.sin(2.0 * np.pi * 50.0 * t)[:, None]
    humming, quiet = adapter(CYTON), adapter(CYTON)
    for start in range(0, 1250, 5):
        humming.take(frame(start, (noise(1250) + hum)[start : start + 5].astype(np.float32)))
        quiet.take(frame(start, noise(1250)[start : start + 5]))
    assert humming.mains_news() == 50.0
    assert humming.gain == pytest.approx(quiet.gain, rel=0.1)
