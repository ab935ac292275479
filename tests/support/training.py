"""What the tests of networks share: a quiet Keras, small synthetic segments, small plans."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import pytest

from models.architectures.base import NetworkConfig
from models.forward.generator import session

if TYPE_CHECKING:
    from models.data.segments import Segment
    from models.training.config import TrainingConfig

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


def small_segments(config: NetworkConfig, users: int = 2, seconds: float = 12.0, sessions: int = 1) -> list[Segment]:
    """A few seconds of a few synthetic people."""
    from models.data.segments import segments_of

    return [
        segment
        for user in range(users)
        for number in range(sessions)
        for segment in segments_of(
            [session(user, number, seconds, seed=7, rate_hz=config.rate_hz, emg_mode=config.emg_mode, losses=False)],
            config,
        )
    ]


def small_training(kind: str) -> TrainingConfig:
    from models.training.config import TrainingConfig

    return TrainingConfig(epochs=1, steps_per_epoch=2, batch=4 if kind == "stream" else 8, validation_batches=1)


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
