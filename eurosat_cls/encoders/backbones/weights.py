"""Weights of a library's networks, with nothing left out in silence."""

import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit
from urllib.request import getproxies

from torch import Tensor, nn

from eurosat_cls.utils.errors import UserError

SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")
PATIENCE_SECONDS = 3.0  # for a server to answer at all; the libraries' own clients try for minutes


def is_file_name(weights: str) -> bool:
    """Whether ``weights`` means a local file, not the name of weights of a library."""
    return weights.endswith(SUFFIXES) or "/" in weights or "\\" in weights


def is_reachable(url: str, seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether the server of an address, or the proxy that stands before it, takes a connection in time."""
    address = urlsplit(getproxies().get(urlsplit(url).scheme, url))
    port = address.port or (80 if address.scheme == "http" else 443)
    answered = threading.Event()

    def connect() -> None:
        with suppress(OSError), socket.create_connection((address.hostname, port), seconds):
            answered.set()

    # Looking a name up knows no time limit: the thread is left to itself.
    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(seconds)
    return answered.is_set()


def without_prefix(state: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """Drop first parts that all keys share and no name in ``names`` has, such as ``module.`` or ``encoder.model.``.

    Example:
        >>> import torch
        >>> without_prefix({"module.fc.weight": torch.zeros(1)}, ["fc.weight"])
        {'fc.weight': tensor([0.])}
    """
    tops = {name.split(".")[0] for name in names}
    state = dict(state)
    while len(first := {key.split(".")[0] for key in state}) == 1 and not first & tops:
        state = {key.partition(".")[2]: value for key, value in state.items()}
    return state


def load_into(network: nn.Module, state: Mapping[str, Tensor], head: tuple[str, ...], path: str, name: str) -> None:
    """Copy tensors into a network that has no head; keys that start with one of ``head`` are left out.

    Raises:
        UserError: when a tensor is missing, too many, or has another shape, naming the file and the network.
    """
    wanted = network.state_dict()
    state = {key: value for key, value in state.items() if key in wanted or not key.startswith(head)}
    # counters of batch normalisation are newer than some weights
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    extra = [key for key in state if key not in wanted]
    shapes = [key for key in state if key in wanted and state[key].shape != wanted[key].shape]
    if shapes:
        have, want = tuple(state[shapes[0]].shape), tuple(wanted[shapes[0]].shape)
        problem = f"{len(shapes)} tensors have another shape, the first is {shapes[0]}: {have} instead of {want}"
    elif missing:
        problem = f"{len(missing)} of {len(wanted)} tensors are missing, the first is {missing[0]}"
    elif extra:
        problem = f"{len(extra)} tensors are too many, the first is {extra[0]}"
    else:
        network.load_state_dict(state, strict=False)
        return
    raise UserError(f"weights: {path} does not fit {name}: {problem}.")
