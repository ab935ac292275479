"""A trained network on disk: one `.keras` file that also holds how it is built.

Keras' own archive (a zip) with one more member, `myocast.json`: the architecture, its config and
what is known of its training. Other Keras programs ignore that member.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from models.architectures import network
from models.architectures.base import Built, Network, NetworkConfig
from models.errors import MyocastError

MEMBER: Final = "myocast.json"


class NetworkFileError(MyocastError):
    """A file that holds no network of ours."""


@dataclass(frozen=True, slots=True)
class Card:
    """Metadata of a network file."""

    architecture: str
    config: NetworkConfig
    hop: int
    """Samples between two poses, as trained for."""
    trained_on: tuple[str, ...] = ()
    validation: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    ahead_ms: float = 0.0
    """As in `TrainingConfig`."""

    @property
    def network(self) -> Network:
        return network(self.architecture)

    def to_json(self) -> str:
        return json.dumps(
            {
                "architecture": self.architecture,
                "setting": self.config.to_dict(),
                "hop": self.hop,
                "trained_on": list(self.trained_on),
                "validation": dict(self.validation),
                "seed": self.seed,
                "ahead_ms": self.ahead_ms,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Card:
        values = json.loads(text)
        return cls(
            architecture=values["architecture"],
            config=NetworkConfig.from_dict(values["setting"]),
            hop=values["hop"],
            trained_on=tuple(values["trained_on"]),
            validation=values["validation"],
            seed=values["seed"],
            ahead_ms=values.get("ahead_ms", 0.0),
        )


def save(path: Path, built: Built, card: Card) -> None:
    """Write the network; the file appears complete or not at all."""
    built.sync()
    partial = path.with_name(f".{path.stem}.partial.keras")
    built.serve.save(partial)
    with zipfile.ZipFile(partial, "a") as archive:
        archive.writestr(MEMBER, card.to_json())
    os.replace(partial, path)


def read_card(path: Path) -> Card:
    """Read the file's metadata.

    Raises:
        NetworkFileError: it cannot be read, or is no network of ours.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return Card.from_json(archive.read(MEMBER).decode())
    except OSError as error:
        raise NetworkFileError(
            f"{path}: cannot be read ({error.strerror}); give a .keras file of `myocast train`"
        ) from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError):
        raise NetworkFileError(
            f"{path}: not a network of `myocast train`; give the .keras file that it wrote"
        ) from None


def load(path: Path) -> tuple[Built, Card]:
    """The network with its weights, and its card.

    Raises:
        NetworkFileError: it cannot be read, or is no network of ours.
    """
    card = read_card(path)
    built = card.network.assemble(card.config)
    load_weights(path, built, card.architecture)
    return built, card


def load_weights(path: Path, built: Built, architecture: str) -> None:
    """Put the weights of a file into a network.

    Raises:
        NetworkFileError: there are none that fit it.
    """
    try:
        built.serve.load_weights(path)
    except (OSError, ValueError):
        raise NetworkFileError(
            f"{path}: its weights do not fit this version's {architecture}; train it again"
        ) from None
    built.adopt()
