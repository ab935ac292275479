"""The machine, the package versions and the model file that figures were measured on."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import psutil

from service.engine.model_selection import shipped
from service.engine.predictor import ModelFile

PACKAGES: Final = (
    "myocast", "numpy", "onnxruntime", "fastapi", "uvicorn", "uvloop", "websockets",
    "tensorflow-cpu", "tensorflow", "keras",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """The computer, and how busy it was just before."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1min": round(psutil.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def versions() -> dict[str, str]:
    """Of Python and of the packages that matter, where they are installed."""
    found = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def find_model_file(given: Path | None, sha256: str) -> Path:
    """Return the model file that was served: the user's, or the shipped one of that hash."""
    return given or next(path for path in shipped() if ModelFile(path).sha256 == sha256)


def _processor() -> str:
    """The processor's name; on Linux only /proc/cpuinfo has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
