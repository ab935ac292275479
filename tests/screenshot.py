"""Takes the picture of the viewer for the README: `python -m tests.screenshot [FILE]`, in the repository."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.chromium import chromium
from tests.support.console import Console

REPOSITORY: Final = Path(__file__).resolve().parents[1]
PICTURE: Final = REPOSITORY / "docs" / "viewer.png"
MOMENT_S: Final = 9.3
"""A moment of the demo session: the hand has just come to rest after a fist."""
STRIPS: Final = 900
"""Samples that fill the strips."""


def take(file: Path) -> None:
    """Serve the demo session, play up to the moment, pause, and save what Chromium shows."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        console = Console(REPOSITORY, Path(folder))
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark", reduced_motion="reduce")
        page.goto(f"{console.serve('demo:').url}?quality=full")
        page.wait_for_function("() => window.myocast?.phase === 'open'")
        page.evaluate(f"() => myocast.client.api.replay({{ action: 'seek', value: {MOMENT_S - 5} }})")
        before = page.evaluate("() => myocast.samples")
        page.wait_for_function(f"() => myocast.samples > {before + STRIPS} && Number(seek.value) >= {MOMENT_S}")
        page.screenshot(path=file)
        page.close()
        console.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
