"""`myocast`: verbs, exit codes, and one line for whatever a user does wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from models.errors import MyocastError
from service.cli import app, main
from service.cli.verbs import VERBS
from tests.support.console import TIMEOUT_S, Console
from tests.support.pages import REPOSITORY

CONTRACT = {
    "serve": "[SOURCE]... --model --host --port --hop --record --recordings --token --token-file --origin --leap --udp"
    " --lsl --log-format",
    "record": "SOURCE FILE --seconds --labels --user --session",
    "info": "FILE --json",
    "convert": "IN OUT",
    "synthesize": "DIR --users --sessions --seconds --seed",
    "scan": "--json",
    "doctor": "",
    "emulate": "FILE",
    "view": "URL --text",
    "models": "--json",
    "train": "--architecture --data --out",
    "evaluate": "MODEL --data --json --report",
    "compare": "--data --out",
    "export": "KERAS ONNX",
    "bench": "--model --source --clients --seconds --compare --json --plot",
    "check": "SOURCE --seconds --json",
    "align": "--model --out --cues --against --json",
    "calibrate": "--model --session --test --out --deep --json",
}
"""Arguments and options of docs/protocol.md#the-command-line."""


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `myocast ARGUMENTS`, in this process."""
    monkeypatch.setattr(sys, "argv", ["myocast", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    return code, out, err


def test_the_verbs_are_the_contracts() -> None:
    assert set(VERBS) == set(CONTRACT)


@pytest.mark.parametrize("verb", CONTRACT)
def test_help_names_every_argument_and_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    code, out, err = run(monkeypatch, capsys, verb, "--help")
    assert (code, err) == (0, "")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    for word in CONTRACT[verb].split():
        assert word in plain, f"{verb}: {word}"


def test_help_of_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(monkeypatch, capsys, "--help")
    assert (code, err) == (0, "")
    assert all(verb in out for verb in VERBS)


def test_without_a_verb_it_shows_the_help_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys)
    assert code == 2
    assert all(verb in out + err for verb in VERBS)
    assert len((out + err).splitlines()) > len(VERBS)


@pytest.mark.parametrize(
    "arguments",
    [
        ("calibrate",),
        ("check",),
        ("check", "nonsense"),
        ("nonsense",),
        ("--nonsense",),
        ("serve", "--nonsense"),
        ("serve", "--port", "x"),
        ("serve", "--port", "70000"),
        ("serve", "--hop", "0"),
        ("serve", "--publish", "x"),
        ("record",),
        ("record", "demo:"),
        ("record", "demo:", "a.mcap", "--labels", "b"),
        ("record", "demo:", "a.mcap", "--labels", "leap:ftp://host"),
        ("record", "demo:", "a.mcap", "--labels", "hts:70000"),
        ("record", "demo:", "a.mcap", "--labels", "hts:here"),
        ("record", "demo:", "a.mcap", "--labels", "prompts:none.toml"),
        ("record", "demo:", "a.mcap", "--labels", "webcam:1"),
        ("record", "demo:", "a.mcap", "--user", " "),
        ("record", "demo:", "a.mcap", "--seconds", "0"),
        ("info",),
        ("serve", "nats://host/two/names"),
        ("serve", "--model"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_one_line_and_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("myocast: ")


class Broken(MyocastError):
    exit_code = 1


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (MyocastError("bad\n  file"), 2, "myocast: bad file\n"),
        (Broken("it broke"), 1, "myocast: it broke\n"),
        (KeyboardInterrupt(), 0, ""),
        (BrokenPipeError(), 0, ""),
    ],
    ids=repr,
)
def test_errors_become_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    def broken(arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(app, "build", broken)
    assert run(monkeypatch, capsys, "serve") == (code, "", line)


@pytest.mark.skipif(sys.platform == "win32", reason="signals to other processes are POSIX")
@pytest.mark.parametrize("module", ["typer", "service.cli.scan"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_is_still_importing_ends_it_with_0(console: Console, number: int, module: str) -> None:
    slow = (
        "import sys, time\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}:\n"
        "            print('waits', flush=True)\n"
        "            time.sleep(100)\n"
        "sys.meta_path.insert(0, Slow())"
    )
    process = console.start("scan", before=slow)
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals to a process are POSIX")
def test_sigterm_does_what_sigint_does_at_the_moment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[int] = []

    def verb(**_: object) -> int:
        before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            assert heard == [signal.SIGTERM]
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
        finally:
            signal.signal(signal.SIGINT, before)
        return 0

    monkeypatch.setattr(app, "build", lambda _: verb)
    assert run(monkeypatch, capsys, "scan") == (0, "", "")
    assert heard == [signal.SIGTERM]


def test_output_that_nobody_reads_is_no_error(console: Console) -> None:
    """`myocast … | head`: the reader goes away first."""
    process = console.start("--help")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) in (0, 1)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(("on_path", "advice"), [(False, "`bin/myocast scan`"), (True, "`myocast scan`")])
def test_advice_names_the_program_as_it_can_be_typed(tmp_path: Path, on_path: bool, advice: str) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "myocast"
    script.write_text(f"#!{sys.executable}\nfrom service.cli import main\nmain()\n")
    script.chmod(0o755)
    paths = [str(script.parent)] if on_path else []
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PATH": os.pathsep.join([*paths, "/usr/bin", "/bin"])}
    done = subprocess.run(
        ["bin/myocast", "serve", "cyton:"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert advice in done.stderr


def test_the_console_script_is_installed_where_the_package_is() -> None:
    if find_spec("service") is None or not (script := _script()):
        pytest.skip("myocast is not installed here, only checked out")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "serve" in done.stdout) == (0, True)


def _script() -> str | None:
    script = Path(sys.executable).parent / "myocast"
    return str(script) if script.exists() else None
