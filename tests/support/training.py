"""What the tests of networks share: a quiet Keras, small synthetic tracks, small plans."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import pytest

from models.architectures.base import Setting
from models.forward.generator import session

if TYPE_CHECKING:
    from models.data.segments import Segment
    from models.training.trainer import Plan

needs_training: Final = [
    pytest.mark.train,
    # Converting an unrolled network takes half a minute of a processor that may have other work.
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("keras") is None, reason="needs the [train] extra"),
    # TensorFlow, Keras and tf2onnx use calls of numpy and protobuf that those deprecate.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def prepare() -> None:
    from service.experiments.keras_setup import prepare_keras

    prepare_keras()


def small_tracks(setting: Setting, users: int = 2, seconds: float = 12.0, sessions: int = 1) -> list[Segment]:
    """A few seconds of a few synthetic people."""
    from models.data.segments import tracks

    return [
        track
        for user in range(users)
        for number in range(sessions)
        for track in tracks(
            [session(user, number, seconds, seed=7, rate_hz=setting.rate_hz, emg_mode=setting.emg_mode, losses=False)],
            setting,
        )
    ]


def small_plan(kind: str) -> Plan:
    from models.training.trainer import Plan

    return Plan(epochs=1, steps_per_epoch=2, batch=4 if kind == "stream" else 8, validation_batches=1)


def run_cli(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """A verb in this process, which has TensorFlow already: exit code, stdout, stderr."""
    from service.cli import main

    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["myocast", *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            main()
    said = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), said.out, said.err
