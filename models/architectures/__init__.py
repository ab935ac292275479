"""The networks. Adding one = one file here and one line in `NETWORKS`."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from models.architectures.base import ArchitectureError, Network

__all__ = ["DEFAULT", "NETWORKS", "ArchitectureError", "Network", "network", "networks"]

NETWORKS: Final = {
    "dense": "models.architectures.dense",
    "lstm_ae": "models.architectures.lstm_ae",
    "lstm_ae_small": "models.architectures.lstm_ae_small",
    "lstm_fc": "models.architectures.lstm_fc",
    "lstm_fc_large": "models.architectures.lstm_fc_large",
    "cnn_lstm": "models.architectures.cnn_lstm",
    "conv_lstm": "models.architectures.conv_lstm",
    "lstm_attention": "models.architectures.lstm_attention",
    "stream_lstm": "models.architectures.stream_lstm",
    "stream_tcn": "models.architectures.stream_tcn",
    "stream_mlp": "models.architectures.stream_mlp",
    "stream_mlp_slow": "models.architectures.stream_mlp_slow",
}
"""Name -> module with a `NETWORK`. The modules import Keras only when a network is built."""
DEFAULT: Final = "stream_mlp"
"""The network of the models that ship."""


def network(name: str) -> Network:
    """The network of that name.

    Raises:
        ArchitectureError: there is none.
    """
    module = NETWORKS.get(name)
    if module is None:
        raise ArchitectureError(f"no architecture `{name}`; there are {', '.join(NETWORKS)}")
    return cast(Network, import_module(module).NETWORK)


def networks() -> list[Network]:
    """All of them, in the order of the table."""
    return [network(name) for name in NETWORKS]
