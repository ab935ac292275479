"""Build everything that a release consists of, and check it as those who install it will.

    python tools/release.py                    build into build/release and check
    python tools/release.py --set 0.2.0        first write this version everywhere, and date the changelog's section

What is built: wheel and source archive of Myocast, both of the Python client, npm's archives of the JavaScript client
and of the Unity package. What is checked: one version everywhere, twine's rules for what goes to an index, what the
archives hold, and that each can be installed into an empty environment or folder and be used there. Nothing is
published.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
OUT: Final = ROOT / "build" / "release"
PROJECT: Final = "pyproject.toml"
"""Where the version is; the other files follow it."""
FOLLOWERS: Final = (
    "clients/python/pyproject.toml",
    "clients/js/package.json",
    "clients/js/package-lock.json",
    "clients/unity/package.json",
    "service/viewer/package.json",
    "service/viewer/package-lock.json",
)
CHANGELOG: Final = "CHANGELOG.md"
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
_TOML: Final = re.compile(r'^(version = ")[^"]*(")$', re.MULTILINE)
_UNRELEASED: Final = "## Unreleased\n"


class ReleaseError(Exception):
    """The release cannot be made; the message says why and what to do."""


def version_in(file: Path) -> str:
    """The version that a project file names."""
    if file.suffix == ".toml":
        return str(tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"])
    return str(json.loads(file.read_text(encoding="utf-8"))["version"])


def check_versions(root: Path = ROOT) -> str:
    """Return the version.

    Raises:
        ReleaseError: a file names another one.
    """
    version = version_in(root / PROJECT)
    for name in FOLLOWERS:
        if (found := version_in(root / name)) != version:
            raise ReleaseError(f"{name} says {found}, {PROJECT} says {version}; run tools/release.py --set {version}")
    return version


def set_version(version: str, root: Path = ROOT, today: datetime.date | None = None) -> None:
    """Write a version everywhere, and give the changelog's newest section its name and date.

    Raises:
        ReleaseError: it is no version, or nothing is in the changelog's section.
    """
    if _VERSION.fullmatch(version) is None:
        raise ReleaseError(f"{version!r} is no version; expected something like 0.2.0 or 0.2.0rc1")
    date_section(root / CHANGELOG, version, today or datetime.datetime.now(datetime.UTC).date())
    for name in (PROJECT, *FOLLOWERS):
        file = root / name
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".toml":
            text = _TOML.sub(rf"\g<1>{version}\g<2>", text, count=1)
        else:
            # The first is the package's own; in a lock file the second, that of the root package, is too.
            count = 2 if name.endswith("package-lock.json") else 1
            text = re.sub(r'("version": ")[^"]*(")', rf"\g<1>{version}\g<2>", text, count=count)
        file.write_text(text, encoding="utf-8")


def date_section(changelog: Path, version: str, day: datetime.date) -> None:
    """Name what is unreleased, and begin a new section."""
    text = changelog.read_text(encoding="utf-8")
    before, found, after = text.partition(_UNRELEASED)
    if not found or not after.partition("\n## ")[0].strip():
        raise ReleaseError(f"{changelog.name} has nothing below `## Unreleased`; write what is new first")
    changelog.write_text(f"{before}{_UNRELEASED}\n## {version} ({day.isoformat()})\n{after}", encoding="utf-8")


def build(out: Path = OUT) -> list[Path]:
    """Build every archive; return them.

    Raises:
        ReleaseError: a build failed; its last words are in the message.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    for project in (ROOT, ROOT / "clients" / "python"):
        _run("building " + project.name, sys.executable, "-m", "build", "--outdir", str(out), str(project))
    npm = _npm()
    js, unity = ROOT / "clients" / "js", ROOT / "clients" / "unity"
    if not (js / "node_modules").is_dir():
        _run("the JavaScript client's packages", *npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=js)
    for package in (js, unity):
        _run(f"packing {package.name}", *npm, "pack", "--dry-run", cwd=package)
        _run(f"packing {package.name}", *npm, "pack", "--pack-destination", str(out), cwd=package)
    return sorted(out.iterdir())


def check(archives: Sequence[Path], version: str) -> None:
    """Check the archives as those who install them will.

    Raises:
        ReleaseError: what is wrong.
    """
    python = [str(archive) for archive in archives if archive.suffix == ".whl" or archive.name.endswith(".tar.gz")]
    _run("twine's check", sys.executable, "-m", "twine", "check", "--strict", *python)
    for archive in archives:
        if archive.suffix == ".tgz":
            check_npm(archive, version)
    wheels = [archive for archive in archives if archive.suffix == ".whl"]
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "environment"
        _run("an empty environment", sys.executable, "-m", "venv", str(environment))
        inside = str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")
        for wheel in wheels:
            pip = (inside, "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"))
            _run(f"installing {wheel.name}", *pip, str(wheel))
        # Run elsewhere than in the repository, whose packages would be found first.
        program = str(Path(inside).with_name("myocast"))
        shown = _run("the installed program", program, "--version", cwd=Path(folder))
        if shown.strip() != f"myocast {version}":
            raise ReleaseError(f"the installed program says {shown.strip()!r}; expected myocast {version}")
        _run("the installed client", inside, "-c", "import myocast_client", cwd=Path(folder))
        (js,) = (archive for archive in archives if archive.name.startswith("myocast-client-"))
        _run(
            "npm install", *_npm(), "install", "--no-audit", "--no-fund", "--ignore-scripts", str(js), cwd=Path(folder)
        )
        script = "const client = await import('@myocast/client'); if (!client.connect) process.exit(1)"
        _run("the installed JavaScript client", _node(), "--input-type=module", "-e", script, cwd=Path(folder))


def check_npm(archive: Path, version: str) -> None:
    """Check what an archive of npm's holds: its licence, its version, nothing that is not of the package."""
    with tarfile.open(archive) as opened:
        names = set(opened.getnames())
        manifest = opened.extractfile("package/package.json")
        assert manifest is not None
        found = json.load(manifest)["version"]
    if found != version:
        raise ReleaseError(f"{archive.name} says version {found}; expected {version}")
    if not any(name.startswith("package/LICENSE") for name in names):
        raise ReleaseError(f"{archive.name} holds no licence")
    strays = sorted(name for name in names if "node_modules" in name or not name.startswith("package/"))
    if strays:
        raise ReleaseError(f"{archive.name} holds {strays[0]}, which is not of the package")


def _run(what: str, *command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd or ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-12:]
        raise ReleaseError(f"{what} failed:\n" + "\n".join(last))
    return done.stdout


def _npm() -> tuple[str, ...]:
    sys.path.insert(0, str(ROOT))
    import hatch_build

    return hatch_build.find_node().npm


def _node() -> str:
    import hatch_build

    return str(hatch_build.find_node().node)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", metavar="VERSION", help="write this version everywhere first")
    arguments = parser.parse_args()
    try:
        if arguments.set:
            set_version(arguments.set)
        version = check_versions()
        archives = build()
        check(archives, version)
    except ReleaseError as error:
        sys.stderr.write(f"release: {error}\n")
        return 1
    sys.stdout.write(f"Myocast {version}, built and checked:\n" + "".join(f"  {OUT / one.name}\n" for one in archives))
    return 0


if __name__ == "__main__":
    sys.exit(main())
