"""Labels of a trembling camera: angles and bones come out as if it did not tremble."""

from __future__ import annotations

import numpy as np
import pytest

from models.arrays import Float32Array, Float64Array
from models.forward.generator import session
from models.kinematics import ANGLES, angles, measure
from models.personal_labels import bones_of, labels_of, noise_of
from models.recording import Recording


@pytest.fixture(scope="module")
def exact() -> Recording:
    return session(3000, 0, 40.0, seed=1, rate_hz=50.0, losses=False)


def as_webcam(exact: Recording, noise_mm: float = 8.0) -> Recording:
    """20 labels a second, a tenth of them missing, with noise."""
    assert exact.joints is not None
    assert exact.label_t is not None
    rng = np.random.default_rng(0)
    t: Float64Array = np.arange(exact.label_t[0], exact.label_t[-1], 0.05)
    t = t[rng.random(len(t)) > 0.1]
    joints = exact.joints_at(t)
    assert joints is not None
    noisy = joints + rng.normal(0, noise_mm, joints.shape)
    noisy[:, :3] = 0.0
    return Recording(
        emg=exact.emg, t=exact.t, sample=exact.sample, rate_hz=50.0, label_t=t, joints=noisy.astype(np.float32)
    )


def true_bones(exact: Recording) -> Float32Array:
    assert exact.joints is not None
    lengths: Float32Array = measure(exact.joints[0].reshape(21, 3))
    return lengths


def test_noise_is_told_from_movement(exact: Recording) -> None:
    for noise_mm in (0.0, 4.0, 8.0):
        labels = labels_of(as_webcam(exact, noise_mm))
        assert labels.joints is not None
        found = float(np.median(noise_of(labels.t, labels.joints)[1:]))
        assert found == pytest.approx(noise_mm, abs=1.5)


def test_bones_are_not_lengthened_by_noise(exact: Recording) -> None:
    found, exactly = bones_of(labels_of(as_webcam(exact))), bones_of(labels_of(exact))
    assert found is not None
    assert exactly is not None
    np.testing.assert_allclose(exactly, true_bones(exact), rtol=1e-3)
    off = np.abs(found - true_bones(exact)).mean()
    raw = as_webcam(exact).joints
    assert raw is not None
    longer = np.median(measure(raw.reshape(-1, 21, 3)), axis=0) - true_bones(exact)
    assert longer.mean() > 3.0
    assert off < 0.5 * longer.mean()


def test_angles_of_exact_points_are_exact(exact: Recording) -> None:
    assert exact.joints is not None
    labels = labels_of(exact)
    off = np.abs(labels.angles - angles(exact.joints.reshape(-1, 21, 3)))
    assert np.rad2deg(off.max()) < 0.1


def test_labels_without_points_are_their_angles() -> None:
    given = np.full((5, len(ANGLES)), np.nan, np.float32)
    given[:, 3] = 0.5
    t = np.arange(5) / 20.0
    recording = Recording(
        emg=np.ones((50, 8), np.float32), t=np.arange(50) / 200.0, sample=np.arange(50), rate_hz=200.0,
        angle_t=t, angles=given,
    )  # fmt: skip
    labels = labels_of(recording)
    assert labels.joints is None
    assert bones_of(labels) is None
    assert labels.rate_hz == pytest.approx(20.0)
    np.testing.assert_array_equal(labels.angles, given)
