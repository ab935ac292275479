"""tools/measure_alignment.py on a session: what a client gets is what `evaluate --align` computes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from models.architectures.base import NetworkConfig
from models.onnx_file import read_spec
from service.engine.model_selection import shipped
from tools import measure_alignment

ROOT: Final = Path(__file__).resolve().parents[3]
GESTURES: Final = ROOT.parent / "shared" / "data" / "myo-readings-dataset"

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(not GESTURES.is_dir(), reason=f"no recordings of real people in {GESTURES}"),
]


@pytest.mark.parametrize("person", ["_readings_left_hand/44444-1", "_readings_right_hand/54321-1"])
def test_the_live_path_gives_what_the_offline_path_gives(tmp_path: Path, person: str) -> None:
    """The shipped model has seen these people: what is compared here is the two ways, not how good it is."""
    folder = tmp_path / person
    folder.mkdir(parents=True)
    for gesture in (1, 2, 7):
        (file,) = (GESTURES / person).glob(f"{gesture}.txt*")
        (folder / file.name).symlink_to(file)
    (session,) = measure_alignment.read([str(folder)], NetworkConfig.for_mode("raw"))
    assert session.hand == ("left" if "left" in person else "right")
    model = next(path for path in shipped() if path.stem == "raw200")
    content = model.read_bytes()
    row = measure_alignment.compare(session, content, read_spec(content, model.name), model, 0, 40)
    assert row is not None
    assert row.aligned
    assert not row.again
    assert row.matrix_apart is not None
    assert row.pose_apart_mm is not None
    assert row.matrix_apart < 1e-4
    assert row.pose_apart_mm < 1e-2
    assert row.live == row.offline
    assert 0.5 < row.live.auc <= 1.0
    assert "| live | 1 |" in measure_alignment.summary([row])
    assert f"| {row.user}, {row.session} | 0 |" in measure_alignment.each([row])
