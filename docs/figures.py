"""Fills the README's figures from what our own commands wrote; nothing is typed by hand.

Run: .venv/bin/python docs/figures.py [--check]
Sources: the metadata of service/weights/*.onnx; docs/bench.json as `myocast bench --json` writes it; and what
`myocast compare` writes: docs/compare.md (its table.md), docs/people.md and docs/jhu.md; docs/demo/report.md of
`myocast evaluate`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from models.onnx_file import read_spec

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BENCH = ROOT / "docs" / "bench.json"


def models() -> str:
    """The shipped models, from their own metadata."""
    rows = [
        "| model | parameters | MPJPE, mm | RMSE per coordinate, mm | mean pose's MPJPE, mm | measured on |",
        "|---|---|---|---|---|---|",
    ]
    for path in sorted((ROOT / "service" / "weights").glob("*.onnx")):
        spec = read_spec(path.read_bytes(), path.name)
        v = spec.validation
        ours = f"{v['mpjpe_mm']:.1f} ± {v['mpjpe_mm_sd']:.1f} | {v['rmse_mm']:.1f} | {v['mean_pose_mpjpe_mm']:.1f}"
        rows.append(f"| `{path.name}` ({spec.architecture}) | {spec.parameters:,} | {ours} | {v['split']} |")
    return "\n".join(rows)


def bench() -> str:
    """What one call of the benchmark measured: every limit, and the way of a pose stage by stage."""
    if not BENCH.is_file():
        return "Run `myocast bench` for the figures of your machine."
    document: dict[str, Any] = json.loads(BENCH.read_text())
    machine, latency = document["machine"], document["latency"]
    model = latency["model"]
    lines = [
        f"`myocast bench --architecture {document['arguments']['architecture']} --all` on {machine['processor']}, "
        f"{machine['cores']} cores, otherwise idle (load {machine['load_1min']:g} before), {machine['at'][:10]}, with "
        f"the network of {model['parameters']:,} parameters, a pose every {model['hop']} samples:",
        "",
        "| measure | figure | limit | |",
        "|---|---|---|---|",
    ]
    for limit in document["limits"]:
        unit = f" {limit['unit']}" if limit["unit"] else ""
        mark = "met" if limit["ok"] else "**missed**"
        wanted = f"{limit['relation']} {_number(limit['limit'])}"
        lines.append(f"| {limit['name']} | {_number(limit['value'])}{unit} | {wanted} | {mark} |")
    lines += ["", "| stage, ms | p50 | p95 | p99 | max |", "|---|---|---|---|---|"]
    bare = {"bare run, back to back": latency["bare"], "bare run, at its pace": latency["bare_paced"]}
    for name, times in {**latency["stages"], **bare}.items():
        lines.append(f"| {name} | " + " | ".join(f"{times[key]:.2f}" for key in ("p50", "p95", "p99", "max")) + " |")
    return "\n".join(lines)


def written(name: str) -> str:
    """What `myocast compare` wrote into docs/NAME.md: its command and its first table."""
    path = ROOT / "docs" / f"{name}.md"
    if not path.is_file():
        return "Not run."
    lines = path.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    after = next((i for i in range(first, len(lines)) if not lines[i].startswith("|")), len(lines))
    return "\n".join(lines[:after])


def demo() -> str:
    """The shipped model on the demo session: the figures that `myocast evaluate` wrote into docs/demo/report.md."""
    lines = [line for line in (ROOT / "docs" / "demo" / "report.md").read_text().splitlines() if line.startswith("|")]
    by_finger = next(i for i, line in enumerate(lines) if line.startswith("| finger |"))
    value = {name.strip(): cell.strip() for _, name, cell, *_ in (line.split("|") for line in lines[:by_finger])}
    shown = ("MPJPE over 20 points", "the same for a constant mean pose", "R² against per-column means", "fingertips")
    rows = [f"| {name} | {value[name]} |" for name in shown]
    return "\n".join(["| figure | demo session |", "|---|---|", *rows, "", *lines[by_finger : by_finger + 3]])


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def fill(text: str) -> str:
    """The README with its marked parts made anew."""
    for name, content in (
        ("model", models()),
        ("demo", demo()),
        ("bench", bench()),
        *((name, written(name)) for name in ("compare", "people", "jhu")),
    ):
        pattern = rf"(<!-- figures:{name} -->\n).*?(<!-- /figures:{name} -->)"
        text = re.sub(pattern, lambda m, c=content: f"{m[1]}{c}\n{m[2]}", text, flags=re.DOTALL)
    return text


def main(check: bool) -> int:
    """Write the README, or only say whether it is up to date."""
    before = README.read_text()
    after = fill(before)
    if not check:
        README.write_text(after)
    return int(check and before != after)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
