"""Weights from local files, and into networks, with nothing left out in silence."""

import pickle
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eurosat_cls.errors import UserError

SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")
# What training scripts wrap around the weights, the averaged ones first.
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")


def is_file_name(weights: str) -> bool:
    """Whether ``weights`` means a local file, not the name of weights of a library."""
    return weights.endswith(SUFFIXES) or "/" in weights or "\\" in weights


def read_state_dict(path: str) -> dict[str, Tensor]:
    """Read the tensors of a ``.safetensors`` file or of a file of ``torch.save``, by name; runs no code from the file.

    Raises:
        UserError: when the file is missing or damaged, holds anything but plain data and tensors, or no tensors.
    """
    if not Path(path).is_file():
        raise UserError(f"weights: there is no file {path}.")
    content: Any
    try:
        if path.endswith(".safetensors"):
            content = _safetensors(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f"Python objects ({found[1]})" if found else "something that is not a state dict"
        raise UserError(
            f"weights: {path} holds {what}, which could run code and are not loaded. Save only the state dict: "
            "torch.save(model.state_dict(), path)."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, struct.error) as error:
        raise UserError(f"weights: cannot read {path}: {str(error).splitlines()[0][:200]}") from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not tensors:
        raise UserError(f"weights: {path} holds no state dict, that is, no tensors by name.")
    return tensors


def _safetensors(path: str) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise UserError("weights: .safetensors files need a package: pip install safetensors") from error
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def without_prefix(state: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """Drop first parts that all keys share and no name in ``names`` has, such as ``module.`` or ``encoder.model.``.

    Example:
        >>> without_prefix({"module.fc.weight": torch.zeros(1)}, ["fc.weight"])
        {'fc.weight': tensor([0.])}
    """
    tops = {name.split(".")[0] for name in names}
    state = dict(state)
    while len(first := {key.split(".")[0] for key in state}) == 1 and not first & tops:
        state = {key.partition(".")[2]: value for key, value in state.items()}
    return state


def load_into(network: nn.Module, state: Mapping[str, Tensor], head: tuple[str, ...], path: str, name: str) -> None:
    """Copy ``state`` into a network that has no head.

    Args:
        network: gets the tensors.
        state: tensors by name.
        head: keys that start with one of these belong to the head and are left out.
        path: the file, for the message.
        name: the network's name, for the message.

    Raises:
        UserError: when a tensor is missing, too many, or has another shape.
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
