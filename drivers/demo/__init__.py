"""The built-in session that `demo:` plays."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SESSION: Final = Path(__file__).with_name("demo.mcap")
