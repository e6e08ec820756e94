"""A checkpoint takes no more memory than its file: its tensors are plain, and what its settings build is bounded.

- Tensors are dense, of the usual types, not quantised; all together they are hardly larger than the file,
  however often they show the same bytes.
- Settings are plain data without tensors; weights are named tensors.
- What the settings describe is built within a budget of numbers and steps that follows from the weights in the file,
  before memory is taken for more.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.limits import COUNT, NUMBER, TEXT, Kind, checked

_TYPES = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool,
}  # fmt: skip
_SPARE_NUMBERS = 150_000_000  # such as a head that is built and thrown away
_SPARE_STEPS = 20_000
_DAYS = 10**9  # epochs and steps that no training reaches
_RECORDS: dict[str, Kind | Mapping[str, Any]] = {
    "execution": {"precision": TEXT, "memory_format": TEXT}, "plateau_metric": NUMBER, "run": {},
}  # fmt: skip
_OF_DATA = {**dict.fromkeys(("split_method", "split_sha256", "source", "fingerprint", "labels"), TEXT),
            **dict.fromkeys(("seed", "global_batch", "patch_size"), COUNT)}  # fmt: skip


def check_tensors(content: Any, num_bytes: int, where: str) -> None:
    """Refuse tensors that are more than numbers in the file.

    Args:
        content: nested plain data.
        num_bytes: size of the file.
        where: the file.

    Raises:
        UserError: for the first that is not plain, and for more bytes than twice those of the file.
    """
    shown = 0
    for tensor in _tensors(content):
        plain = type(tensor) in (Tensor, torch.nn.Parameter) and tensor.layout == torch.strided
        if not plain or tensor.device.type == "meta" or tensor.dtype not in _TYPES or tensor.is_nested:
            raise UserError(f"{where}: refused, it holds a tensor that is not a plain one ({_described(tensor)}).")
        shown += tensor.numel() * tensor.element_size()
        if shown > 2 * num_bytes + 4096:
            raise UserError(f"{where}: refused, its tensors are larger than the file ({_described(tensor)}).")


def check_form(checkpoint: Mapping[str, Any], where: str) -> None:
    """Refuse a checkpoint whose settings hold tensors, whose weights are something else, or whose counts are none.

    Raises:
        UserError: naming what is wrong.
    """
    wrong = [key for key in ("hyper_parameters", "run") if next(_tensors(checkpoint.get(key)), None) is not None]
    if wrong:
        raise UserError(f"{where}: refused, its settings ({wrong[0]}) hold tensors.")
    for name, value in checkpoint["state_dict"].items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(f"{where}: its weights are damaged ({str(name)[:60]!r} is a {type(value).__name__}).")
    settings = checkpoint.get("hyper_parameters") or {}
    for key in ("class_names", "bands"):
        names = settings.get(key)
        if names is not None and not (isinstance(names, list | tuple) and all(isinstance(n, str) for n in names)):
            raise UserError(f"{where}: its {key} are no names.")
    version = checkpoint.get("pytorch-lightning_version", "2.0.0")
    if not isinstance(version, str) or not re.fullmatch(r"[2-9]\.\d+[\w.+-]*", version, re.ASCII):
        raise UserError(f"{where}: its pytorch-lightning_version is {repr(version)[:40]}, which has written none here.")
    for key, form in _RECORDS.items():
        if checkpoint.get(key) is not None:
            checked(checkpoint[key], form, f"{where}: its {key}")
    for key, record in checkpoint.items():
        if isinstance(record, Mapping) and "split_sha256" in record:
            checked(record, _OF_DATA, f"{where}: its {key}")
    for key in ("epoch", "global_step"):
        if type(count := checkpoint.get(key, 0)) is not int or not 0 <= count <= _DAYS:
            raise UserError(f"{where}: its {key} is {repr(count)[:40]}, which is none.")


def _tensors(content: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested data; what is there several times is walked through once."""
    waiting, seen = [content], set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, Mapping | list | tuple | set | frozenset) and id(value) not in seen:
            seen.add(id(value))
            waiting += [*value.keys(), *value.values()] if isinstance(value, Mapping) else value


def _described(tensor: Tensor) -> str:
    return f"{tensor.dtype}, {tensor.layout}, {tensor.device.type}".replace("torch.", "")


class Budget(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While entered, refuse to make more numbers than the weights in a file can need.

    Args:
        state: the weights.
        where: the file.
    """

    def __init__(self, state: Mapping[str, Tensor], where: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.where = where
        self.numbers = 4 * sum(tensor.numel() for tensor in state.values()) + _SPARE_NUMBERS
        self.steps = 200 * len(state) + _SPARE_STEPS

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operation, and what it makes anew."""
        self.steps -= 1
        if not any(isinstance(argument, Tensor) for argument in args):
            self.numbers -= max(map(_asked_for, args), default=0)
        if self.steps < 0 or self.numbers < 0:
            raise UserError(f"{self.where}: refused, its settings describe a network that is not the one in the file.")
        return func(*args, **(kwargs or {}))


def _asked_for(argument: Any) -> int:
    """Numbers that a new tensor has at most: the product of a shape, or an end that is counted to."""
    if isinstance(argument, list | tuple) and all(isinstance(length, int) for length in argument):
        return math.prod(argument)
    return int(argument) if isinstance(argument, int | float) and math.isfinite(argument) else 0
