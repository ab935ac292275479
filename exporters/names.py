"""Names in the graph that the contract fixes."""

from __future__ import annotations

from typing import Final

ALIGNMENT: Final = "alignment"
