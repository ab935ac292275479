from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.alignment import Template, roll
from models.architectures.base import NetworkConfig
from models.arrays import Float32Array
from models.data.alignment_cues import aligned_segments, template_of
from models.data.augment import NONE, Augmentation
from models.data.batches import MOVING, Windows
from models.data.gesture_labels import poses_by_label
from models.data.segments import DataError, Segment, aim_ahead, conform, right_handed, segments_of
from models.forward.generator import session
from models.hand import CHANNELS, MIRRORED_CHANNELS, VALUES, mirror
from models.recording import Recording
from service.experiments.datasets import items

RAW = NetworkConfig(200.0, "raw")
ENVELOPE = NetworkConfig(50.0, "envelope")


def ramp(n: int = 800, gaps: tuple[int, ...] = (), rate: float = 200.0) -> Recording:
    """Channel 0 of every sample, and every coordinate of its pose, is its own index."""
    index = np.arange(n + len(gaps) * 50)
    for gap in gaps:
        index = index[(index < gap) | (index >= gap + 50)]
    emg = np.zeros((len(index), CHANNELS), np.float32)
    emg[:, 0] = index
    t = index / rate
    return Recording(
        emg=emg,
        t=t,
        sample=index,
        rate_hz=rate,
        name="ramp",
        label_t=np.arange(0, index[-1] + 1, 4) / rate,
        joints=np.repeat(np.arange(0, index[-1] + 1, 4, dtype=np.float32)[:, None], VALUES, axis=1),
    )


def test_a_track_never_crosses_a_gap() -> None:
    found = list(segments_of([ramp(800, gaps=(300, 500))], RAW))
    assert len(found) == 3
    for segment in found:
        assert set(np.diff(segment.emg[:, 0])) == {1.0}


def test_the_pose_of_a_step_is_that_of_its_last_sample() -> None:
    (segment,) = segments_of([ramp()], RAW)
    np.testing.assert_allclose(segment.pose[:-1, 5], segment.emg[3::4, 0][:-1], atol=1e-3)
    assert (segment.weight[:-1] == 1).all()


def test_aiming_ahead_takes_a_later_pose_of_the_same_run_and_none_from_behind_its_end() -> None:
    for segment in segments_of([ramp(800, gaps=(300,))], RAW):
        ahead = aim_ahead(segment, 4)
        np.testing.assert_array_equal(ahead.pose[:-4], segment.pose[4:])
        np.testing.assert_array_equal(ahead.weight[:-4], segment.weight[4:])
        assert not ahead.weight[-4:].any()
        np.testing.assert_array_equal(ahead.emg, segment.emg)
        assert aim_ahead(segment, 0) is segment


@pytest.mark.parametrize("steps", [1, 8, 32])
def test_windows_are_runs_of_samples_that_end_at_their_pose(steps: int) -> None:
    windows = Windows(list(segments_of([ramp(800, gaps=(300,))], RAW)), steps, RAW)
    batch = windows.batch(np.arange(len(windows)), NONE, np.random.default_rng(0))
    assert batch.emg.shape == (len(windows), 4 * steps, CHANNELS)
    assert (np.diff(batch.emg[:, :, 0], axis=1) == 1).all()
    np.testing.assert_allclose(batch.emg[:, -1, 0], batch.pose[:, 7], atol=1e-3)


def test_a_user_is_one_of_his_seed_and_a_session_zero_is_a_session() -> None:
    some = [next(iter(segments_of([session(0, 0, 2.0, seed=seed)], RAW))) for seed in (1, 2)]
    assert some[0].user != some[1].user
    assert some[0].session == "0"


def test_a_left_arm_becomes_its_mirror_image() -> None:
    left = replace(ramp(), hand="left")
    right = right_handed(left)
    np.testing.assert_array_equal(right.emg, left.emg[:, list(MIRRORED_CHANNELS)])
    assert left.joints is not None
    np.testing.assert_array_equal(right.joints, mirror(left.joints))
    assert right_handed(ramp()).emg is not None


def test_raw_emg_becomes_the_envelope_that_the_band_itself_gives() -> None:
    raw = session(3, 0, 20.0, seed=5, losses=False)
    band = session(3, 0, 20.0, seed=5, emg_mode="envelope", losses=False)
    ours = conform(raw, ENVELOPE)
    assert (ours.rate_hz, ours.emg_mode) == (50.0, "envelope")
    n = min(len(ours), len(band))
    assert np.corrcoef(ours.emg[:n].ravel(), band.emg[:n].ravel())[0, 1] > 0.9
    np.testing.assert_allclose(ours.t[:n], band.t[:n], atol=1e-6)


def test_an_envelope_does_not_bridge_a_gap() -> None:
    broken = ramp(800, gaps=(300,))
    broken.emg[:300] = 100.0
    broken.emg[300:] = 0.0
    envelope = conform(broken, ENVELOPE)
    after = list(envelope.segments())[1]
    assert (envelope.emg[after] == 0).all()


def test_envelopes_cannot_become_raw() -> None:
    with pytest.raises(DataError, match="--mode envelope"):
        conform(session(0, 0, 2.0, emg_mode="envelope"), RAW)


@pytest.mark.parametrize("rate", [250.0, 1000.0, 54.0])
def test_other_rates_are_resampled(rate: float) -> None:
    t = np.arange(0, 4.0, 1 / rate)
    emg = np.repeat(np.sin(2 * np.pi * 3.0 * t)[:, None], CHANNELS, axis=1).astype(np.float32)
    out = conform(Recording(emg, t, np.arange(len(t)), rate), RAW)
    assert out.rate_hz == 200.0
    np.testing.assert_allclose(out.emg[:, 0], np.sin(2 * np.pi * 3.0 * out.t), atol=0.1)


def test_class_labels_become_poses_and_reaction_time_does_not_count() -> None:
    classes = np.repeat([0, 7, 0, 2], 400)
    emg = np.zeros((1600, CHANNELS), np.float32)
    recording = Recording(emg, np.arange(1600) / 200.0, np.arange(1600), 200.0, classes=classes)
    poses = poses_by_label("7=fist,-1=rest")
    (segment,) = segments_of([recording], RAW, poses)
    np.testing.assert_array_equal(segment.pose[180], poses[7])
    np.testing.assert_array_equal(segment.pose[390], poses[-1])
    np.testing.assert_array_equal(segment.weight[[99, 101, 149, 151]], [1, 0, 0, 1])


def test_augmentation_turns_gains_and_silences() -> None:
    rng = np.random.default_rng(0)
    assert (NONE.mixes(3, rng) == np.eye(CHANNELS)).all()
    turned = Augmentation(roll=1.0, gain=0, channel_gain=0, channel_loss=0).mixes(50, rng)
    np.testing.assert_allclose(turned.sum(axis=1), 1.0, atol=1e-6)
    apart = Augmentation(roll=2.0, gain=0, channel_gain=0, channel_loss=0, aligned_roll=0.0)
    aligned = np.arange(50) % 2 == 0
    mixed = apart.mixes(50, rng, aligned)
    assert (mixed[aligned] == np.eye(CHANNELS)).all(), "an aligned band stays where it was put"
    assert not (mixed[~aligned] == np.eye(CHANNELS)).all(axis=(1, 2)).any()
    silent = Augmentation(roll=0, gain=0, channel_gain=0, channel_loss=1.0).mixes(2, rng)
    assert not silent.any()
    emg: Float32Array = np.arange(40, dtype=np.float32).reshape(1, 20, 2)
    lost = Augmentation(noise=0.0, packet_loss=1.0).spoil(emg, rng)
    np.testing.assert_array_equal(lost[0, 2:4], lost[0, :2])


def canonical_segments() -> list[Segment]:
    """Nine people at rest and one who also makes fists, and one with measured poses."""
    out: list[Segment] = []
    for person in range(10):
        classes = np.repeat([0, 7, 0, 7], 400) if person == 9 else np.zeros(1600, np.int64)
        emg = np.ones((1600, CHANNELS), np.float32)
        recording = Recording(emg, np.arange(1600) / 200.0, np.arange(1600), 200.0, name=f"p{person}", classes=classes)
        out += segments_of([recording], RAW, poses_by_label("7=fist,-1=rest"))
    return [*out, *segments_of([ramp(1600)], RAW)]


def test_gestures_are_drawn_more_often_than_rest_and_measured_poses_as_asked() -> None:
    parts = canonical_segments()
    windows = Windows(parts, 8, RAW)
    rng = np.random.default_rng(0)
    drawn = windows.draw(6000, rng, 0.4)
    owner = np.repeat(np.arange(len(parts)), [int((part.weight[7:] > 0).sum()) for part in parts])[drawn]
    assert np.mean(owner == 10) == pytest.approx(0.6, abs=0.03)
    assert np.mean(owner == 9) == pytest.approx(0.4 * MOVING, abs=0.03)
    assert MOVING > 0.5
    assert len(set(owner.tolist())) == 11
    assert np.mean(windows.draw(6000, rng, None) >= 0) == 1.0


def test_aligned_bands_are_trained_on_as_often_as_asked() -> None:
    segments = canonical_segments()
    assert {segment.canonical for segment in segments} == {False, True}
    for canonical, share in ((False, 0.3), (True, 0.8)):
        segment = next(segment for segment in segments if segment.canonical == canonical)
        windows = Windows([replace(segment, aligned=roll(2.0))], 8, RAW)
        some = np.zeros(2000, np.int64)
        mixes = windows.batch(some, replace(NONE, align=0.3, align_asked=0.8), np.random.default_rng(0)).mix
        turned = (mixes == roll(2.0)).all(axis=(1, 2))
        assert turned.mean() == pytest.approx(share, abs=0.04)
        assert (mixes[~turned] == np.eye(CHANNELS)).all()


def test_donnings_are_aligned_by_their_own_cues() -> None:
    """A turned band gets the matrix that turns it back; people without cues get none."""
    (item,) = items(["synthetic:users=1,sessions=1,seconds=20,seed=3"])
    asked = item.calibration(15.0, "raw", 200.0)
    assert asked is not None
    cues = list(segments_of([asked], RAW))
    target = template_of(cues)
    assert target is not None
    turned = [replace(segment, emg=np.roll(segment.emg, 2, axis=1)) for segment in cues]
    found = aligned_segments([*turned, *segments_of([ramp()], RAW)], [], Template(target.levels))
    assert found[-1].aligned is None
    assert found[0].aligned is not None
    level = np.abs(turned[0].emg[cues[0].emg.shape[0] // 2 :]).mean(axis=0) @ found[0].aligned
    wanted = np.abs(cues[0].emg[cues[0].emg.shape[0] // 2 :]).mean(axis=0)
    assert np.corrcoef(level, wanted)[0, 1] > 0.9
