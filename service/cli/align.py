"""`myocast align`: how the band sits, found by asking for cues in the terminal, or from sessions with class labels."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, get_args

import typer

from drivers.uri import source_from_uri
from models.alignment import Template, template_of_model
from models.errors import MyocastError
from models.recording import Recording
from models.spec import ModelSpec
from service.align_source import align_source
from service.arm.alignment import AlignmentResult
from service.arm.alignment_session import AlignmentSession
from service.arm.cues import NINE_CUES, Cue
from service.cli.arguments import session_file, source_uri
from service.cli.calibrate import parse_cues
from service.engine.model_selection import ModelSelector
from service.event_loop import loop_factory
from service.logs import configure

DO: Final = {
    "rest": "let the arm and the hand rest",
    "fist": "make a fist",
    "extension": "bend the wrist back",
    "flexion": "bend the wrist towards the palm",
    "open": "open the hand wide",
    "index": "bend the index finger",
    "middle": "bend the middle finger",
    "ring": "bend the ring finger",
    "pinky": "bend the little finger",
    "thumb": "bend the thumb into the palm",
    "point": "point with the index finger",
    "pinch": "pinch with thumb and index finger",
}
"""Cue = what to do, for the prompt."""


class UsageError(MyocastError):
    """Cues that give no alignment."""


def command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="As for `serve`, e.g. myo:, dongle:, synthetic:; with --cues, sessions of one donning."
        ),
    ],
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The model to align to; without it the shipped one that fits.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the result as JSON, for `serve --align`.")
    ] = None,
    ask: Annotated[
        str, typer.Option(metavar="CUE,...", help="What to ask for: rest and at least one movement.")
    ] = ",".join(NINE_CUES),
    seconds: Annotated[float, typer.Option(metavar="N", min=0.5, max=60, help="Seconds that each cue is held.")] = 2.0,
    cues: Annotated[
        str,
        typer.Option(metavar="CUE=CLASS,...", help="Ask nobody: the cues are classes of sessions (rest=0,fist=7,extension=2)."),
    ] = "",
    against: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="SESSION", parser=session_file,
            help="With --cues: a session of another donning to compare with, in place of the model's template. May be given several times.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:  # fmt: skip
    """Find how the band sits on the arm, turned, the other way round, how well: ask for cues, or read them from sessions."""
    configure("text")
    classes = parse_cues(cues)
    if classes is None and against:
        raise UsageError(
            "--against compares sessions by their cues; state them, as in --cues rest=0,fist=7,extension=2"
        )
    found = _prompt(sources, model, ask, seconds) if classes is None else _read(sources, classes, against or [], model)
    if found is None:
        typer.echo("stopped before every cue was done; nothing was found", err=True)
        return
    if out is not None:
        _write(out, found)
    typer.echo(json.dumps(found) if as_json else describe(found))


def _prompt(sources: Sequence[str], model: Path | None, ask: str, seconds: float) -> AlignmentResult | None:
    if len(sources) > 1:
        raise UsageError(
            f"{len(sources)} sources, expected one to ask its wearer; for sessions with classes give --cues"
        )
    (source,) = sources
    opened, selector, asked = source_from_uri(source_uri(source)), ModelSelector(model), _cues(ask)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(align_source(opened, selector, asked, seconds, _Prompts()))


def _read(
    sources: Sequence[str], classes: dict[int, str], against: Sequence[Path], model: Path | None
) -> AlignmentResult:
    from drivers.sessions import read_session
    from models.data.any_band import as_model_expects
    from service.experiments.session_alignment import align_levels, levels_of_sessions, template_of_levels

    sessions = [read_session(session_file(source)) for source in sources]
    if against:
        target = template_of_levels(levels_of_sessions([read_session(path) for path in against], classes))
    else:
        spec, target = _model_for(model, sessions[0])
        sessions = [as_model_expects(session, spec) for session in sessions]
    return align_levels(levels_of_sessions(sessions, classes), target)


def _model_for(model: Path | None, session: Recording) -> tuple[ModelSpec, Template]:
    """The specification of the model whose template counts, and that."""
    selector, kind = ModelSelector(model), (session.rate_hz, session.unit, session.emg_mode)
    offered = selector.shipped() if selector.given is None else [selector.given]
    fitting = [one for one in offered if one.spec.mismatch(*kind) is None]
    fitting += [one for one in offered if one.mismatch(*kind) is None]
    template = template_of_model(fitting[0].spec) if fitting else None
    if template is None:
        raise UsageError(f"no model with a template fits {session.name}; give one with --model, or --against a session")
    return fitting[0].spec, template


def describe(result: AlignmentResult) -> str:
    """Say what was found, in a person's words."""
    turn, score = result["turn_deg"] or 0.0, result["score"] or 0.0
    side = "towards" if turn < 0 else "away from"
    sits = "as the model knows it" if abs(turn) < 10 else f"turned by {abs(turn):.0f} degrees {side} the thumb"
    other_way = ", and the other way round (or on the other arm)" if result["mirrored"] else ""
    advice = "leave it: the alignment undoes it" if abs(turn) < 100 else "turn it back if you can"
    return f"The band sits {sits}{other_way}; {advice}. Likeness to the model's band: {score:.2f} of 1."


class _Prompts:
    """Prints each cue on a line of its own, on stderr."""

    def __init__(self) -> None:
        self._shown: object = None

    def __call__(self, session: AlignmentSession) -> None:
        shown = session.cue, id(session.again)
        if session.cue is None or shown == self._shown:
            return
        self._shown = shown
        if session.again is not None:
            typer.echo(f"  once more: {session.again.message}", err=True)
        typer.echo(f"{session.cue}: {DO[session.cue]}, and hold it for {session.seconds:g} s", err=True)


def _cues(text: str) -> list[str]:
    cues = [cue.strip() for cue in text.split(",")]
    known = get_args(Cue)
    if "rest" not in cues or len(cues) < 2 or len(set(cues)) < len(cues) or not set(cues) <= set(known):
        raise UsageError(f"--ask {text}: expected rest and at least one of {', '.join(known[1:])}, each once")
    return cues


def _write(path: Path, result: AlignmentResult) -> None:
    try:
        path.write_text(json.dumps({"state": "done", "result": result}) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {path}: cannot be written ({error.strerror}); choose another place") from None
