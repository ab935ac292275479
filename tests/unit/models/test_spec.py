"""What a model file says of itself: read strictly, refused in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.spec import ModelError, ModelSpec
from tests.fakes.models_onnx import spec_of


def metadata(**changes: Any) -> str:
    """The property of a right model, with some fields replaced (None: left out)."""
    values = json.loads(spec_of().to_json()) | changes
    return json.dumps({key: value for key, value in values.items() if value is not None})


def error_message(text: str) -> str:
    with pytest.raises(ModelError) as refused:
        ModelSpec.from_json(text)
    message = str(refused.value)
    assert "\n" not in message
    assert refused.value.exit_code == 2
    return message


def test_the_property_has_the_fields_of_the_contract() -> None:
    assert set(json.loads(spec_of().to_json())) == {
        "format", "name", "architecture", "parameters", "kind", "window", "hop", "rate_hz", "unit", "emg_mode",
        "frame", "hand", "order", "trained_on", "validation", "parity_max_abs_mm", "created", "myocast_version",
    }  # fmt: skip


def test_it_survives_the_way_through_a_file() -> None:
    spec = spec_of(
        trained_on=("a", "b"), validation={"mpjpe_mm": 9.5}, parity_max_abs_mm=1e-4, hand="left", emg_mode="any"
    )
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_template_and_person_survive_the_way_through_a_file() -> None:
    spec = spec_of(alignment={"cues": {"rest": [1.0] * 8}}, personal={"seconds": 60.0, "base": "tiny"})
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_a_recommended_filter_survives_too() -> None:
    spec = spec_of(smoothing={"min_cutoff_hz": 7.0, "beta": 0.01, "stages": 3})
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_how_far_ahead_a_model_aims_is_in_its_file() -> None:
    spec = spec_of(ahead_ms=120.0)
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert (spec.ahead_s, spec_of().ahead_s) == (0.12, 0.0)
    for wrong in (-20, 501, "far", True):
        assert "`ahead_ms`: expected 0 to 500" in error_message(metadata(ahead_ms=wrong))


def test_a_model_says_whether_it_is_worse_than_a_still_hand() -> None:
    good, bad = (spec_of(validation={"mpjpe_mm": error, "mean_pose_mpjpe_mm": 16.4}) for error in (16.3, 19.2))
    assert good.still_hand == (16.3, 16.4)
    assert good.worse_than_still_hand is None
    assert "worse than a still hand: 19.2 mm off, a hand that never moves 16.4 mm" in str(bad.worse_than_still_hand)
    for validation in ({}, {"mpjpe_mm": 19.2}, {"mpjpe_mm": "x", "mean_pose_mpjpe_mm": 1.0}):
        assert spec_of(validation=validation).worse_than_still_hand is None


def test_unknown_fields_are_ignored() -> None:
    assert ModelSpec.from_json(metadata(colour="green")) == spec_of()


@pytest.mark.parametrize("key", ["name", "architecture", "parameters", "kind", "window", "hop", "rate_hz"])
def test_a_missing_field_is_named(key: str) -> None:
    assert f"`{key}`" in error_message(metadata(**{key: None}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("kind", "windows"),
        ("kind", 3),
        ("frame", "leap"),
        ("hand", "both"),
        ("order", "leap21"),
        ("hop", 0),
        ("hop", 2.5),
        ("hop", True),
        ("hop", "4"),
        ("window", 0),
        ("window", -1),
        ("window", 8.0),
        ("rate_hz", 0),
        ("rate_hz", -200),
        ("rate_hz", "200"),
        ("rate_hz", True),
        ("rate_hz", float("inf")),
        ("rate_hz", float("nan")),
        ("name", 3),
        ("architecture", []),
        ("parameters", "many"),
        ("parameters", -1),
        ("unit", 1),
        ("unit", "mV"),
        ("emg_mode", 5),
        ("emg_mode", "rectified"),
        ("trained_on", 3),
        ("trained_on", "a.mcap"),
        ("validation", 1),
        ("validation", [1]),
        ("parity_max_abs_mm", "small"),
        ("alignment", {"rest": [1.0] * 8}),
        ("alignment", {"cues": {"rest": [1.0] * 7}}),
        ("alignment", {"cues": {"rest": ["1"] * 8}}),
        ("personal", "anna"),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object) -> None:
    assert f"`{key}`" in error_message(metadata(**{key: value}))


def test_a_stream_has_no_window() -> None:
    assert ModelSpec.from_json(metadata(kind="stream", window=0)).window == 0
    assert "`window`" in error_message(metadata(kind="stream", window=8))


@pytest.mark.parametrize("text", ["", "{", "[1]", '"text"', "null", "[" * 100_000])
def test_no_json_object_is_refused(text: str) -> None:
    assert "export the model again" in error_message(text)


@given(
    st.dictionaries(
        st.sampled_from(sorted(json.loads(spec_of().to_json()))),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=2),
        ),
    )
)
def test_any_metadata_is_taken_or_refused(changes: dict[str, object]) -> None:
    try:
        spec = ModelSpec.from_json(json.dumps(json.loads(spec_of().to_json()) | changes))
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert ModelSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("changes", "source", "expected", "found"),
    [
        ({}, (200.0, "uV", "raw"), "`adc`", "`uV`"),
        ({}, (200.0, "adc", "envelope"), "`raw`", "`envelope`"),
        ({}, (211.0, "adc", "raw"), "200 Hz", "211 Hz"),
        ({}, (189.9, "adc", "raw"), "200 Hz", "189.9 Hz"),
        ({"emg_mode": "any"}, (50.0, "adc", "envelope"), "200 Hz", "50 Hz"),
    ],
)
def test_a_source_that_does_not_fit(
    changes: dict[str, Any], source: tuple[float, str, str], expected: str, found: str
) -> None:
    why = spec_of(**changes).mismatch(*source)
    assert why is not None
    assert f"expected {expected}" in why.replace("EMG in unit ", "").replace("emg_mode ", "")
    assert found in why


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ({}, (200.0, "adc", "raw")),
        ({}, (190.0, "adc", "raw")),
        ({}, (210.0, "adc", "raw")),
        ({"rate_hz": 190.0}, (200.0, "adc", "raw")),
        ({"rate_hz": 210.0}, (200.0, "adc", "raw")),
        ({"emg_mode": "any"}, (200.0, "adc", "envelope")),
        ({"unit": "uV"}, (200.0, "uV", "raw")),
    ],
)
def test_a_source_that_fits_within_five_percent(changes: dict[str, Any], source: tuple[float, str, str]) -> None:
    assert spec_of(**changes).mismatch(*source) is None
