"""Data sets that `convert` writes, judged by the validator of BIDS."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.sessions import write_session
from tests.support.mutated_files import full_recording


@pytest.mark.peer
def test_the_validator_of_bids_finds_no_error(tmp_path: Path) -> None:
    recording = full_recording()
    for subject, kind, unit in (("01", "edf", "adc"), ("02", "bdf", "uV")):
        folder = tmp_path / f"sub-{subject}" / "emg"
        folder.mkdir(parents=True)
        write_session(folder / f"sub-{subject}_task-grasp_emg.{kind}", replace(recording, unit=unit))
    command = [sys.executable, "-c", "from bids_validator_deno import cli; raise SystemExit(cli())", "--json"]
    ran = subprocess.run([*command, str(tmp_path)], capture_output=True, timeout=100, check=False)
    found = json.loads(ran.stdout)
    assert sorted(found["summary"]["subjects"]) == ["01", "02"]
    errors = [issue for issue in found["issues"]["issues"] if issue["severity"] == "error"]
    assert errors == []
    assert ran.returncode == 0
