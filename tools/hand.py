"""Draw docs/images/hand.svg: the 21 points, their numbers and the axes of frame `hand`, from our own kinematics.

Run: .venv/bin/python tools/hand.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.arrays import Float32Array
from models.hand import PARENTS, POINTS
from models.kinematics import ANGLES, bones, points

OUT = Path(__file__).parents[1] / "docs" / "images" / "hand.svg"
SCALE = 1.9
INK, BONE, POINT, SIDE = "#334155", "#94a3b8", "#2563eb", "#b45309"


def main() -> None:
    """Write the drawing."""
    angles = np.zeros((1, len(ANGLES)))
    for at, name in enumerate(ANGLES):
        if name.endswith("_fe"):
            angles[0, at] = np.deg2rad(14)
    hand = points(angles, bones())[0]
    above = _view(hand, 0, 2, (190, 395), labels=True)
    beside = _view(hand, 2, 1, (770, 215), labels=False)
    OUT.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 460" font-family="sans-serif" font-size="13">\n'
        '<rect width="860" height="460" fill="#ffffff"/>\n'
        f'<text x="30" y="28" fill="{INK}" font-weight="bold">Right hand from above, palm down</text>\n'
        f'<text x="450" y="28" fill="{INK}" font-weight="bold">The same hand from its thumb side</text>\n'
        f"{above}{beside}"
        + _axes((355, 400), ("+X", 42, 0), ("-Z: along the hand", 0, -60))
        + _axes((640, 130), ("-Z", -48, 0), ("+Y: out of the back", 0, -48))
        + f'<text x="30" y="448" fill="{INK}">Millimetres, right-handed, origin at the wrist. '
        "z = unit(p0 - p9), y = unit(z x (p17 - p5)), x = y x z (left hand: p5 - p17).</text>\n</svg>\n"
    )


def _view(hand: Float32Array, across: int, up: int, origin: tuple[float, float], *, labels: bool) -> str:
    flip = -1.0 if up == 1 else 1.0
    at = [(origin[0] + SCALE * p[across], origin[1] + flip * SCALE * p[up]) for p in hand]
    lines = "".join(
        f'<line x1="{at[p][0]:.1f}" y1="{at[p][1]:.1f}" x2="{at[i][0]:.1f}" y2="{at[i][1]:.1f}" '
        f'stroke="{BONE}" stroke-width="7" stroke-linecap="round"/>\n'
        for i, p in enumerate(PARENTS)
        if p >= 0
    )
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{POINT}"/>\n' for x, y in at)
    names = "".join(
        f'<text x="{at[i][0] + 8:.1f}" y="{at[i][1] + 4:.1f}" fill="{INK}">{i}</text>\n' for i in range(POINTS)
    )
    return lines + dots + (names if labels else "")


def _axes(at: tuple[float, float], *axes: tuple[str, float, float]) -> str:
    return "".join(
        f'<line x1="{at[0]}" y1="{at[1]}" x2="{at[0] + dx}" y2="{at[1] + dy}" stroke="{SIDE}" stroke-width="2.5"/>\n'
        f'<text x="{at[0] + dx + (6 if dx >= 0 else -26)}" y="{at[1] + dy + (4 if dx else -4)}" fill="{SIDE}">'
        f"{name}</text>\n"
        for name, dx, dy in axes
    )


if __name__ == "__main__":
    main()
