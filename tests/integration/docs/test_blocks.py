"""The blocks of the pages, carried out: `sh` as a reader types them, `python` against a running server.

A page's `sh` blocks run in order, in one empty folder and home, with `myocast` on the path. A command that serves is
stopped once it is ready. The README's run in a copy of the repository, whose `.venv` has what this one has installed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.support.console import Console
from tests.support.pages import REPOSITORY, blocks, pages
from tools.check_docs import FOLDERS

README: Final = REPOSITORY / "README.md"
DEFAULT_PORT: Final = "8765"
READY: Final = re.compile(r"Myocast is ready: http://127\.0\.0\.1:(\d+)/")
SERVES: Final = re.compile(r"^make demo|myocast serve ")
LOOKS_FOR_DEVICES: Final = re.compile(r"myocast (scan|doctor)\b")
"""Commands that end with 1 where a machine has no radio."""
LONG: Final = ("make test",)
"""Commands that would run the tests: only what they would do is asked for."""
LINES: Final = 3
"""A Python block that goes on for ever has shown that it works after so many lines."""
PATIENCE_S: Final = 60.0
SITE: Final = Path(sysconfig.get_paths()["purelib"])


def with_blocks(language: str) -> list[Path]:
    return [page for page in pages() if page != README and blocks(page, language)]


def name_of(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


class Shell:
    """Runs commands one after the other in a folder, with a home of its own."""

    def __init__(self, folder: Path, home: Path, path: Sequence[Path]) -> None:
        self._folder = folder
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
        paths = os.pathsep.join([*map(str, path), kept["PATH"]])
        self._environment = {**kept, "HOME": str(home), "PATH": paths, "OMP_NUM_THREADS": "1"}

    def follow(self, text: str) -> None:
        """Run each line of a block."""
        for command in text.strip().splitlines():
            self._run(command)

    def _run(self, command: str) -> None:
        if SERVES.search(command):
            self._serve(command)
        elif command in LONG:
            self._check(command.replace("make", "make --dry-run"))
        else:
            self._check(command, allowed=(0, 1) if LOOKS_FOR_DEVICES.search(command) else (0,))

    def _check(self, command: str, allowed: Sequence[int] = (0,)) -> None:
        done = subprocess.run(
            command, shell=True, cwd=self._folder, env=self._environment, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode in allowed, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr

    def _serve(self, command: str) -> None:
        """Start a server on a free port; stop it, as Ctrl-C does, once it is ready."""
        command += " PORT=0" if command.startswith("make") else " --port 0"
        process = subprocess.Popen(
            command, shell=True, cwd=self._folder, env=self._environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        seen = []
        try:
            for line in process.stdout:
                seen.append(line)
                if READY.search(line):
                    return
            raise AssertionError(f"{command}\n{''.join(seen)}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.wait(PATIENCE_S)
            process.stdout.close()


@pytest.mark.parametrize("page", with_blocks("sh"), ids=name_of)
def test_shell_blocks(page: Path, tmp_path: Path) -> None:
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    shell = Shell(folder, home, [Path(sys.executable).parent])
    for block in blocks(page, "sh"):
        shell.follow(block.text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The port of a server that plays the demo session."""
    console = Console(REPOSITORY, tmp_path_factory.mktemp("server"))
    yield str(console.serve("demo:").port)
    console.close()


@pytest.mark.parametrize("page", [README, *with_blocks("python")], ids=name_of)
def test_python_blocks(page: Path, server: str, tmp_path: Path) -> None:
    programs = [block.text for block in blocks(page, "python") if not block.text.startswith("# ")]
    for program in programs:
        run_program(program.replace(DEFAULT_PORT, server), tmp_path)


def run_program(program: str, folder: Path) -> None:
    """Run a program to its end, or until it has printed some lines."""
    paths = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "clients" / "python")))
    process = subprocess.Popen(
        [sys.executable, "-u", "-W", "error", "-c", program], cwd=folder, env={**os.environ, "PYTHONPATH": paths},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [line for _, line in zip(range(LINES), process.stdout, strict=False)]
    ended = len(lines) < LINES
    if not ended:
        process.terminate()
    lines += process.stdout.readlines()
    process.stdout.close()
    code = process.wait(PATIENCE_S)
    assert code in ((0,) if ended else (0, -signal.SIGTERM)), program + "".join(lines)
    assert not any("Traceback" in line for line in lines), "".join(lines)


def test_a_fresh_shell_follows_the_readme(tmp_path: Path) -> None:
    """Line by line, in a copy of the repository, without a step that is not in it."""
    copy, home = tmp_path / "myocast", tmp_path / "home"
    home.mkdir()
    copy_repository(copy)
    give_environment(copy)
    shell = Shell(copy, home, [])
    for block in blocks(README, "sh"):
        shell.follow(block.text)


def copy_repository(copy: Path) -> None:
    """The repository as a clone would have it, and its built viewer, which would need a registry."""
    copy.mkdir()
    for path in REPOSITORY.iterdir():
        if path.is_file():
            shutil.copy2(path, copy)
    for folder in FOLDERS:
        shutil.copytree(
            REPOSITORY / folder, copy / folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__")
        )


def give_environment(copy: Path) -> None:
    """A `.venv` as `make install` would make it: the copy's own packages before everything that is installed here."""
    environment = copy / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    site = environment / SITE.relative_to(Path(sys.prefix))
    (site / "a_copy.pth").write_text(f"{copy}\n{copy / 'clients' / 'python'}\n")
    others = [path for path in sys.path if path.endswith("site-packages")]
    (site / "b_installed.pth").write_text("".join(f"{path}\n" for path in others))
    script = environment / "bin" / "myocast"
    script.write_text(f"#!{environment / 'bin' / 'python'}\nfrom service.cli import main\nmain()\n")
    script.chmod(0o755)
    (environment / ".installed").touch()
