"""The verbs of the command line: what each is for, in one line, and two examples of each."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Group = Literal["Use", "Record", "Train", "Measure"]


class Verb(NamedTuple):
    """Help text of a verb; its options are in the module of its name."""

    group: Group
    summary: str
    examples: tuple[str, ...]


VERBS: Final = {
    "serve": Verb(
        "Use",
        "Send poses from a source to browsers, Unity and other programs.",
        ("myocast serve myo: --open", "myocast serve monday.mcap --model mine.onnx"),
    ),
    "view": Verb(
        "Use",
        "Watch a server, in a browser or in the terminal.",
        ("myocast view http://127.0.0.1:8765/", "myocast view http://127.0.0.1:8765/ --text"),
    ),
    "scan": Verb(
        "Use",
        "List the armbands, dongles and serial ports within reach.",
        ("myocast scan", "myocast scan --seconds 10 --battery"),
    ),
    "doctor": Verb(
        "Use",
        "Check what works on this machine, and how to mend the rest.",
        ("myocast doctor", "myocast doctor --port 9000 --json"),
    ),
    "align": Verb(
        "Use",
        "Find how the armband sits, by asking for movements.",
        (
            "myocast align myo: --out band.json",
            "myocast align tuesday.mcap --cues rest=0,fist=7,extension=2 --against monday.mcap",
        ),
    ),
    "check": Verb(
        "Use",
        "Judge the signal of each channel of an armband.",
        ("myocast check myo:", "myocast check monday.mcap --seconds 20 --json"),
    ),
    "record": Verb(
        "Record",
        "Record a source into a session file.",
        ("myocast record myo: monday.mcap", "myocast record synthetic: test.mcap --labels prompts --user anna"),
    ),
    "info": Verb(
        "Record",
        "Show what a session file holds.",
        ("myocast info demo:", "myocast info monday.mcap --json"),
    ),
    "convert": Verb(
        "Record",
        "Convert any session file to another format.",
        ("myocast convert monday.mcap monday.csv", "myocast convert emg.edf emg.mcap --labels hand.csv"),
    ),
    "emulate": Verb(
        "Record",
        "Play a session as a Myo behind its USB dongle.",
        ("myocast emulate demo:", "myocast emulate monday.mcap --drop 0.05 --disconnect-every 30"),
    ),
    "synthesize": Verb(
        "Train",
        "Write sessions of synthetic people.",
        ("myocast synthesize sessions", "myocast synthesize sessions --users 20 --sessions 3 --seconds 60"),
    ),
    "models": Verb(
        "Train",
        "List the networks, and how good model files are.",
        ("myocast models", "myocast models my-models --json"),
    ),
    "train": Verb(
        "Train",
        "Train a network.",
        (
            "myocast train --architecture stream_mlp --data sessions --out mine.keras",
            "myocast train --architecture stream_mlp --data synthetic:users=40,seconds=60 --out synthetic.keras",
        ),
    ),
    "calibrate": Verb(
        "Train",
        "Fit a model to one person's labelled sessions, in seconds.",
        (
            "myocast calibrate --model mine.onnx --session monday.mcap --out anna.onnx",
            "myocast calibrate --model anna.onnx --session tuesday.mcap --test wednesday.mcap --out anna2.onnx",
        ),
    ),
    "export": Verb(
        "Train",
        "Convert a trained network to a model file (ONNX).",
        ("myocast export mine.keras mine.onnx", "myocast export torch.onnx mine.onnx --rate 200 --unit adc"),
    ),
    "evaluate": Verb(
        "Measure",
        "Measure how well a model follows the hand.",
        (
            "myocast evaluate mine.onnx --data other-sessions --report report",
            "myocast evaluate mine.onnx --data monday.mcap --align 15 --out aligned.onnx",
        ),
    ),
    "compare": Verb(
        "Measure",
        "Train and measure many networks on the same data.",
        (
            "myocast compare --data sessions --out results",
            "myocast compare --data sessions --out results --networks stream_mlp,lstm_fc",
        ),
    ),
    "bench": Verb(
        "Measure",
        "Measure how fast Myocast is on this machine.",
        ("myocast bench", "myocast bench --model mine.onnx --clients 4 --json bench.json"),
    ),
}
