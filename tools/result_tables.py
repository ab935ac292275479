"""Fill the tables of the pages in docs/results/ from what our own commands wrote; no figure is typed by hand.

Run: .venv/bin/python tools/result_tables.py [--check]

A page says where a table goes: `<!-- figures:NAME -->` … `<!-- /figures:NAME -->`. Sources: the metadata of
service/weights/*.onnx, the reports of `myocast evaluate --report`, and in docs/results/data/ the files of
`myocast compare --out DIR` and `myocast bench --json FILE`. Those hold every column; pages show at most eight.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.onnx_file import read_spec

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "docs" / "results"
DATA: Final = RESULTS / "data"
WEIGHTS: Final = ROOT / "service" / "weights"


@dataclass(frozen=True, slots=True)
class Table:
    """A Markdown table."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def columns(self, wanted: Mapping[str, str]) -> Table:
        """Some of the columns: name in this table -> name in the new one."""
        at = [self.header.index(name) for name in wanted]
        return Table(tuple(wanted.values()), tuple(tuple(row[i] for i in at) for row in self.rows))

    def transposed(self, corner: str) -> Table:
        """Rows as columns, with another name for the first column."""
        header = (corner, *(row[0] for row in self.rows))
        rows = zip(self.header[1:], *(row[1:] for row in self.rows), strict=True)
        return Table(header, tuple(rows))

    def text(self) -> str:
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables(path: Path) -> list[Table]:
    """All tables of a Markdown file, in order."""
    found: list[list[tuple[str, ...]]] = []
    inside = False
    for line in path.read_text().splitlines():
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
            found[-1].append(cells) if inside else found.append([cells])
        inside = line.startswith("|")
    return [Table(rows[0], tuple(rows[2:])) for rows in found]


def command_line(path: Path) -> str:
    """The command that wrote a file: its first line."""
    return path.read_text().splitlines()[0].strip("`")


def command(path: Path, out: str) -> str:
    """The command that wrote a file of `myocast compare`, with the folder that it wrote into."""
    words = command_line(path)
    return f"```text\n{words if ' --out ' in words else f'{words} --out {out}'}\n```"


def models() -> str:
    """The shipped models, from their own metadata."""
    rows = []
    for path in sorted(WEIGHTS.glob("*.onnx")):
        spec = read_spec(path.read_bytes(), path.name)
        v = spec.validation
        error = f"{v['mpjpe_mm']:.1f} ± {v['mpjpe_mm_sd']:.1f}"
        still = f"{v['mean_pose_mpjpe_mm']:.1f}"
        rows.append((f"`{path.name}`", spec.architecture, f"{spec.parameters:,}", error, f"{v['rmse_mm']:.1f}", still))
    return Table(
        ("model", "network", "parameters", "MPJPE, mm", "RMSE, mm", "MPJPE of the mean pose, mm"), tuple(rows)
    ).text()


def compared(wanted: Mapping[str, str]) -> str:
    """Some columns of the comparison of all networks."""
    return tables(DATA / "compare.md")[0].columns(wanted).text()


def accuracy() -> str:
    return compared(
        {
            "network": "network",
            "seeds": "seeds",
            "parameters": "parameters",
            "held-out donning, MPJPE mm": "held-out donning, MPJPE mm",
            "unseen users, MPJPE mm": "unseen users, MPJPE mm",
            "unseen users, RMSE mm": "unseen users, RMSE mm",
            "jerk / truth": "jerk / truth",
            "lag ms": "lag ms",
        }
    )


def cost() -> str:
    return compared(
        {
            "network": "network",
            "KiB": "KiB",
            "fp32 ms a pose": "ms a pose",
            "fp32 ms a window or sample": "ms a window or sample",
            "fp32 cheaper": "times cheaper than `lstm_fc_large`",
            "times real time": "times real time",
            "ONNX against Keras, mm": "ONNX against Keras, mm",
        }
    )


def quantised() -> str:
    return compared(
        {
            "network": "network",
            "KiB int8": "KiB",
            "int8 ms a pose": "ms a pose",
            "int8 ms a window or sample": "ms a window or sample",
            "int8 cheaper": "times cheaper than `lstm_fc_large` in fp32",
            "int8 against fp32, mm": "against fp32, mm",
        }
    )


def angles(part: Callable[[str], bool], corner: str = "learner") -> Table:
    """Some columns of the finger angles of a recorded person."""
    table = tables(DATA / "jhu.md")[0]
    kept = [name for name in table.header if name == "learner" or part(name)]
    return table.columns({name: corner if name == "learner" else name for name in kept})


def limits() -> str:
    """What one call of the benchmark measured against every limit."""
    document = json.loads((DATA / "bench.json").read_text())
    rows = [
        (
            limit["name"],
            f"{_number(limit['value'])} {limit['unit']}".strip(),
            f"{limit['relation']} {_number(limit['limit'])}",
            "met" if limit["ok"] else "**missed**",
        )
        for limit in document["limits"]
    ]
    return f"{_machine(document)}\n\n{Table(('measure', 'figure', 'limit', ''), tuple(rows)).text()}"


def stages() -> str:
    """Where the time of a pose goes, stage by stage."""
    latency = json.loads((DATA / "bench.json").read_text())["latency"]
    alone = {
        "onnxruntime alone, back to back": latency["onnxruntime"],
        "onnxruntime alone, at the same rate": latency["onnxruntime_paced"],
    }
    percentiles = ("p50", "p95", "p99", "max")
    stages = {**latency["stages"], **alone}
    rows = [(name, *(f"{times[p]:.2f}" for p in percentiles)) for name, times in stages.items()]
    return Table(("stage, ms", *percentiles), tuple(rows)).text()


def swaps() -> str:
    """What a client saw while matrices, models and heads were swapped, and what learning costs."""
    document = json.loads((DATA / "bench_swap.json").read_text())
    found, machine = document["swap"], document["machine"]
    rows = [
        (one["kind"], str(one["swaps"]), f"{one['most_hops']:g}", str(one["missed"]), _apart(one["first_mm"]))
        for one in found["kinds"]
    ]
    seen = Table(("swap", "times", "hops between poses, at most", "poses missed", "first pose off, mm"), tuple(rows))
    dearest = max(found["learning_percent"], found["last_minute_percent"])
    cost = (
        ("CPU of the server, of a core", f"{found['serving_percent']:.1f} %"),
        (
            f"more while it learns ({found['labels']:,} labels in {found['learned_s']:g} s)",
            f"{dearest - found['serving_percent']:.1f} %",
        ),
        (f"one fit to {found['learned_s']:g} s with 50 labels a second", f"{found['fit_s']:.2f} s"),
    )
    load = f"load {machine['load_1min']:g} before"
    where = f"`myocast bench --swap` on {machine['processor']}, {machine['cores']} cores, {load}:"
    return f"{where}\n\n{seen.text()}\n\n{Table(('', 'figure'), cost).text()}"


def _apart(mm: float | None) -> str:
    return "–" if mm is None else f"{mm:.3f}"


def _machine(document: Mapping[str, Any]) -> str:
    machine, model = document["machine"], document["latency"]["model"]
    return (
        f"`myocast bench --architecture {document['arguments']['architecture']} --all` on {machine['processor']}, "
        f"{machine['cores']} cores, otherwise idle (load {machine['load_1min']:g} before), {machine['at'][:10]}, with "
        f"the network of {model['parameters']:,} parameters, a pose every {model['hop']} samples:"
    )


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def first(path: Path, *headers: str) -> str:
    """The first tables of a report whose first column is called so."""
    return "\n\n".join(beginning(path, header).text() for header in headers)


def beginning(path: Path, header: str) -> Table:
    """The first table of a report whose first column is called so."""
    return next(table for table in tables(path) if table.header[0] == header)


def smoothed(path: Path) -> str:
    """The table of filters behind the model, without the error of the fingertips."""
    table = beginning(path, "min cutoff Hz")
    return table.columns({name: name for name in table.header if name != "fingertips mm"}).text()


def filtered() -> str:
    """What filters behind the shipped models do, and which of them the files recommend."""
    rows = []
    for path in sorted((DATA / "served").glob("*.json")):
        spec = read_spec((WEIGHTS / f"{path.stem}.onnx").read_bytes(), path.stem)
        recommended = None if spec.recommended_filter is None else spec.recommended_filter.text
        for row in json.loads(path.read_text())["smoothing"]:
            settings = ",".join(f"{row[key]:g}" for key in ("min_cutoff_hz", "beta", "stages") if key in row) or "none"
            rows.append(
                (
                    f"`{path.stem}.onnx`",
                    f"**{settings}** (served)" if settings == recommended else settings,
                    f"{row['mpjpe_mm']:.2f}",
                    f"{row['jerk_m_s3']:.0f}",
                    f"{row['jerk_ratio']:.2f}",
                    f"{row['added_lag_ms']:.0f}",
                    f"{row['lag_ms']:.0f}",
                )
            )
    header = ("model", "filter", "MPJPE, mm", "jerk, m/s³", "jerk / truth", "added lag, ms", "lag, ms")
    return Table(header, tuple(rows)).text()


def false_alarms() -> str:
    """Closures and pinches that nobody made, by the hour."""
    rows = [
        (
            row["time"],
            f"{row['hours']:.2f}",
            f"{row['closures_per_hour']:.0f}",
            f"{row['pinches_per_hour']:.0f}",
            f"{100.0 * row['closed']:.2f} %",
        )
        for row in json.loads((DATA / "false_alarms.json").read_text())["rows"]
    ]
    header = ("time without a closed hand", "hours", "closures an hour", "pinches an hour", "share of it closed")
    return Table(header, tuple(rows)).text()


def confidence() -> str:
    """How the confidence ranks the error of synthetic people, mean over them."""
    people = _confidence()["synthetic"]
    orders = {"oracle": "oracle", "movement": "movement", "as shipped": "inherited", "fitted": "confidence"}
    rows = []
    for name in people[0]:
        mean = {key: sum(one[name][key] for one in people) / len(people) for key in people[0][name]}
        if name != "personal":
            mean = {**mean, "inherited": mean["confidence"]}
            del mean["confidence"]
        rows.append((name, f"{mean['error']:.1f}", *(_change(mean.get(key)) for key in orders.values())))
    return f"{len(people)} people.\n\n{Table(('model', 'error, mm', *orders), tuple(rows)).text()}"


def rates() -> str:
    """The shipped model on the same people at other rates and in other units."""
    found = json.loads((DATA / "rates.json").read_text())
    at_home = {key: _mean(found["rows"]["200 Hz"][key]) for key in ("before", "after")}
    rows = []
    for name, people in found["rows"].items():
        mean = {key: _mean(values) for key, values in people.items()}
        change = {key: "" if name == "200 Hz" else f" ({mean[key] / at_home[key] - 1.0:+.1%})" for key in at_home}
        told = [f"{mean[key]:.2f}{change[key]}" for key in at_home]
        gain = "–" if name == "200 Hz" else f"{mean['gain']:.2f} / {mean['aligned_gain']:.2f}"
        rows.append((name, *told, f"{mean['still']:.2f}", gain))
    header = ("source", "before alignment", "after", "still", "gain, running level / alignment")
    return f"```text\n{found['command']}\n```\n\n{Table(header, tuple(rows)).text()}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def confidence_damaged() -> str:
    """What the model says where the signal is damaged."""
    rows = [
        (name, f"{found['confidence']:.2f}", f"{found['mpjpe_mm']:.1f}")
        for name, found in _confidence()["damaged"].items()
    ]
    return Table(("what happens", "confidence", "MPJPE, mm"), tuple(rows)).text()


def confidence_real() -> str:
    """How the confidence ranks the error of a recorded person."""
    orders = {"oracle": "oracle", "movement": "movement", "as shipped": "inherited", "fitted": "confidence"}
    rows = []
    for name in ("shipped", "personal"):
        files = _confidence()["real"]
        for one in files:
            found = one[name]
            rows.append((name, one["file"], f"{found['error']:.1f}", *(_change(found[key]) for key in orders.values())))
        means = {key: sum(one[name][key] for one in files) / len(files) for key in files[0][name]}
        rows.append((name, "mean", f"{means['error']:.1f}", *(_change(means[key]) for key in orders.values())))
    return Table(("model", "file", "error", *orders), tuple(rows)).text()


def _confidence() -> Any:
    return json.loads((DATA / "confidence.json").read_text())


def _change(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}"


def webcam_times() -> str:
    """How far labels of the webcam are from the clock of the film that was its picture."""
    found = json.loads((DATA / "webcam.json").read_text())
    late, closings = found["late_ms"], found["closings"]
    rows = (
        ("labels", str(found["labels"])),
        ("half of them are at most this far from the film's clock, ms", f"{late['half_within']:.0f}"),
        ("nine in ten", f"{late['nine_in_ten_within']:.0f}"),
        ("later than the film, median, ms", f"{late['median']:+.0f}"),
        ("earliest and latest, ms", f"{late['least']:+.0f}, {late['most']:+.0f}"),
        (
            "labels that show the hand open or closed as the film did at their time",
            f"{closings['right']} of {closings['labels']}",
        ),
        ("length of the hand, mm (entered)", f"{found['hand_mm']:.1f} ({found['entered_mm']:.0f})"),
    )
    return Table(("", "figure"), rows).text()


def webcam_bends() -> str:
    """How far bends that the webcam saw are from those that were rendered."""
    names = {
        "constant": "constant",
        "raw": "tracker",
        "raw_without_bias": "without each bend's bias",
        "labels_error": "labels",
    }
    rows = []
    for view, found in json.loads((DATA / "webcam.json").read_text())["views"].items():
        for key, name in names.items():
            thumb, fingers = found[key][:3], found[key][3:]
            means = (sum(part) / len(part) for part in (found[key], thumb, fingers))
            rows.append((view, str(found["poses"]), name, *(f"{mean:.1f}" for mean in means)))
    return Table(("palm", "poses", "what", "all bends", "thumb", "fingers"), tuple(rows)).text()


FIGURES: Final[Mapping[str, Callable[[], str]]] = {
    "models": models,
    "raw200": lambda: first(WEIGHTS / "raw200" / "report.md", "figure", "finger", "baseline"),
    "turned": lambda: first(WEIGHTS / "raw200" / "report.md", "band turned by ±deg"),
    "served": filtered,
    "demo": lambda: first(DATA / "demo" / "report.md", "figure", "finger", "baseline"),
    "compare-command": lambda: command(DATA / "compare.md", "compare"),
    "compare-accuracy": accuracy,
    "compare-cost": cost,
    "compare-int8": quantised,
    "slow": lambda: first(DATA / "stream_mlp_slow" / "report.md", "figure", "finger", "baseline"),
    "slow-turned": lambda: first(DATA / "stream_mlp_slow" / "report.md", "band turned by ±deg"),
    "slow-smoothed": lambda: smoothed(DATA / "stream_mlp_slow" / "report.md"),
    "slow-calibrated": lambda: first(DATA / "stream_mlp_slow" / "report.md", "labelled seconds"),
    "strangers-command": lambda: f"```text\n{command_line(DATA / 'stranger_angles.md')}\n```",
    "strangers": lambda: tables(DATA / "stranger_angles.md")[0].text(),
    "people-command": lambda: command(DATA / "people.md", "people"),
    "people": lambda: tables(DATA / "people.md")[0].text(),
    "people-sessions": lambda: tables(DATA / "people.md")[1].text(),
    "people-live-training": lambda: f"```text\n{command_line(DATA / 'people_live.md')}\n```",
    "people-live": lambda: tables(DATA / "people_live.md")[0].text(),
    "people-live-apart": lambda: tables(DATA / "people_live.md")[1].text(),
    "jhu-command": lambda: command(DATA / "jhu.md", "jhu"),
    "jhu": lambda: angles(lambda name: not name.startswith("block")).text(),
    "jhu-blocks": lambda: angles(lambda name: name.startswith("block")).transposed("block").text(),
    "false-alarms": false_alarms,
    "confidence": confidence,
    "rates": rates,
    "confidence-damaged": confidence_damaged,
    "confidence-real": confidence_real,
    "webcam-times": webcam_times,
    "webcam-bends": webcam_bends,
    "bench-limits": limits,
    "bench-stages": stages,
    "bench-swap": swaps,
}
"""What can stand between the marks of a page."""


def fill(text: str) -> str:
    """A page with its marked parts made anew."""

    def made(match: re.Match[str]) -> str:
        return f"{match[1]}\n{FIGURES[match[2]]()}\n{match[3]}"

    return re.sub(r"(<!-- figures:([\w-]+) -->)\n.*?(<!-- /figures:\2 -->)", made, text, flags=re.DOTALL)


def pages() -> Iterable[Path]:
    """The pages that may hold figures."""
    return (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with --check only say which are not up to date."""
    stale = 0
    for page in pages():
        before = page.read_text()
        after = fill(before)
        if before != after and "--check" in arguments:
            sys.stderr.write(f"{page.relative_to(ROOT)}: figures are not up to date; run tools/result_tables.py\n")
            stale = 1
        elif before != after:
            page.write_text(after)
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
