"""Tell whether two model files are the same network, fitted to different people."""

from __future__ import annotations

import hashlib
from typing import Final

from models.onnx_file import ALIGNMENT, BONES, CONFIDENCE_PERSONAL, PERSONAL, message_fields

FITTED: Final = frozenset({ALIGNMENT, PERSONAL, BONES, CONFIDENCE_PERSONAL})
"""Initializers that fit a network to one person."""
_GRAPH: Final = 7
_INITIALIZER: Final = 5
_NAME: Final = 8


def graph_digest(content: bytes) -> str:
    """SHA-256 of a model file's graph without what fits it to one person, and without its metadata.

    Args:
        content: the whole file, which `read_spec` has accepted.
    """
    digest = hashlib.sha256()
    for number, graph in message_fields(memoryview(content)):
        if number == _GRAPH and isinstance(graph, memoryview):
            for field, value in message_fields(graph):
                if isinstance(value, int):
                    digest.update(b"%d=%d;" % (field, value))
                elif field != _INITIALIZER or _tensor_name(value) not in FITTED:
                    digest.update(b"%d:%d:" % (field, len(value)))
                    digest.update(value)
    return digest.hexdigest()


def _tensor_name(tensor: memoryview) -> str:
    names = [bytes(value).decode() for number, value in message_fields(tensor) if number == _NAME and value]
    return names[-1] if names else ""
