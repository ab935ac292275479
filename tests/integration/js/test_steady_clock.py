"""The server's clock for pictures of the webcam, under Node: slow exchanges do not spoil it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest

import hatch_build

VIEWER: Final = Path(__file__).resolve().parents[3] / "service" / "viewer"
TIMEOUT_S: Final = 60.0
PROGRAM: Final = """
const ts = require("typescript");
const source = require("fs").readFileSync("src/webcam/steadyClock.ts", "utf8");
const options = { compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 } };
const module_ = { exports: {} };
let nowMs = 0;
const performance = { timeOrigin: 1000, now: () => nowMs };
new Function("exports", "performance", ts.transpileModule(source, options).outputText)(module_.exports, performance);
const clock = new module_.exports.SteadyClock();
const told = [clock.serverTime(2)];
const hear = (atS, clockOffset, roundTrip, session = "a") => {
  nowMs = 1000 * atS;
  clock.update({ clockOffset, roundTrip }, session);
  told.push(clock.serverTime(2));
};
hear(0, 5, 0.002);        // sure to 1 ms
hear(60, 4, 2.1);         // an answer that waited two seconds
hear(120, 5.001, 0.004);  // as sure as the first is after two minutes
hear(121, 8, 0.002);      // the server's clock was set
hear(122, null, null);    // nothing new
hear(123, 7, 3, "b");     // another server
console.log(JSON.stringify(told));
"""

pytestmark = pytest.mark.peer


def test_an_answer_that_waited_does_not_count() -> None:
    found = hatch_build.find_node()
    hatch_build.install(found, VIEWER)
    done = subprocess.run(
        [found.node, "-e", PROGRAM], cwd=VIEWER, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    assert json.loads(done.stdout) == [None, *map(pytest.approx, (8.0, 8.0, 8.001, 11.0, 11.0, 10.0))]
