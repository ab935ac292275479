"""What `--labels` takes, and what it says to the rest."""

from __future__ import annotations

import pytest

from drivers.errors import DriverError
from service.labels.kinds import WEBCAM, label_source


def test_the_webcam_is_no_source_of_its_own() -> None:
    assert label_source(WEBCAM) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "LEAP", "webcam:x", "hts:-1", "hts:99999", "hts:abc", "hts:2²", "hts:²"),
        *("leap:http://x", "leap:ws://", "leap:ws://127.0.0.1:99999", "leap:²²:²"),
    ],
)
def test_other_words_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(DriverError, match="expected") as caught:
        label_source(text)
    assert str(caught.value).startswith(f"--labels {text}:")
    assert "\n" not in str(caught.value)
