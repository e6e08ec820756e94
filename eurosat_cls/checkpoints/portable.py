"""Exported models, read as the checkpoints that they were made of: what they are stands in a text inside the file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from math import isfinite, prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.limits import read_bytes
from eurosat_cls.utils.network import check_local

KEY = "eurosat_cls"  # of the card among a file's metadata
FORMAT = 1  # of the card
EVIDENCE = "evidence"  # of a checkpoint: what says whether to believe an answer; and what its tensors begin with
GRAPH = "graph"  # where a checkpoint read from an ONNX file has its bytes
SUFFIXES = (".onnx", ".safetensors")
_LARGEST = 4_000_000  # letters of a card
_MOST, _LONGEST = 4096, 200  # names, and letters of one


def is_portable(path: str | Path) -> bool:
    """Whether a file's name is that of an exported model."""
    return str(path).endswith(SUFFIXES)


def read_portable(path: str | Path) -> dict[str, Any]:
    """Read an exported model in the form of a checkpoint; nothing in it is run.

    Returns:
        ``hyper_parameters``, ``state_dict``, ``data``, ``run``, ``evidence`` where a file of weights has it, and for
        ONNX the bytes of the network in ``graph``.

    Raises:
        UserError: for a file that is missing, damaged, without this project's metadata, or that refers to others.
    """
    check_local(path, "model")
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: there is no such model.")
    text, content = _read_onnx(path) if path.suffix == ".onnx" else _read_safetensors(path)
    card = _checked(text, str(path))
    return {"hyper_parameters": card["settings"], "data": card["data"], "run": card.get("run") or {}, **content(card)}


def _read_safetensors(path: Path) -> tuple[str | None, Any]:
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a safetensors file, or truncated ({error}).") from None
    start = f"{EVIDENCE}."
    evidence = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
    content = {"state_dict": {name: value for name, value in tensors.items() if not name.startswith(start)}}
    return metadata.get(KEY), lambda card: {**content, **({EVIDENCE: evidence} if evidence else {})}


def _read_onnx(path: Path) -> tuple[str | None, Any]:
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        raise UserError(f"{path}: ONNX needs further packages: pip install 'eurosat-cls[export]'")
    import onnx

    content = read_bytes(path, 2**31)  # more, no such message has
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # whatever the installed reader of protocol buffers raises
        raise UserError(f"{path}: not an ONNX file, or truncated.") from error
    found = {entry.key: entry.value for entry in model.metadata_props}
    if KEY in found:
        _check_parts(model, len(content), str(path))
    return found.get(KEY), lambda card: {"state_dict": _state(card), GRAPH: content}


def _check_parts(model: Any, num_bytes: int, where: str) -> None:
    """Refuse a model that reads other files, calls what is no operator of the standard, or is larger than its file.

    Raises:
        UserError: naming what it refers to.
    """
    for part in _parts(model):
        kind = part.DESCRIPTOR.name
        if kind in ("NodeProto", "OperatorSetIdProto") and part.domain not in ("", "ai.onnx"):
            raise UserError(f"{where}: refused, it uses operators beyond the standard ones ({part.domain[:60]!r}).")
        if kind in ("FunctionProto", "SparseTensorProto", "TrainingInfoProto"):
            raise UserError(f"{where}: refused, it holds a {kind}, which no export of ours does.")
        if kind != "TensorProto":
            continue
        if part.data_location == part.EXTERNAL or part.external_data:
            raise UserError(f"{where}: refused, its weights are in other files, which it names; ours are in the file.")
        if min(part.dims, default=0) < 0 or prod(part.dims) > 8 * num_bytes:  # bits, at least
            raise UserError(f"{where}: refused, it has a tensor of {list(part.dims)[:8]}, larger than the file.")


def _parts(message: Any) -> Iterator[Any]:
    """Yield a message of protocol buffers and all within it, through whatever fields."""
    waiting = [message]
    while waiting:
        yield (part := waiting.pop())
        for field, value in part.ListFields():
            if field.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else value


def _state(card: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Tensors that a classifier has besides its network and its settings."""
    return {
        name: torch.tensor(card[name], dtype=torch.float32) for name in ("temperature", "threshold") if name in card
    }


# --- the card ------------------------------------------------------------------------------------------------------


def _checked(text: str | None, where: str) -> dict[str, Any]:
    """Return a file's card.

    Raises:
        UserError: for a file of others, and for a card that none of ours can be.
    """
    if text is None:
        raise UserError(f"{where}: not a model that this project has exported, it does not say its classes and bands.")
    try:
        card = json.loads(text) if len(text) <= _LARGEST else None
    except (ValueError, RecursionError):
        card = None
    if not isinstance(card, dict) or not all(isinstance(card.get(part), dict) for part in ("settings", "data")):
        raise UserError(f"{where}: refused, what it says of itself is damaged.")
    if card.get("format") != FORMAT:
        raise UserError(f"{where}: was exported by another version ({str(card.get('format'))[:20]}); export it anew.")
    if wrong := _wrong(card):
        raise UserError(f"{where}: refused, its {wrong} cannot be what an export wrote.")
    return card


def _wrong(card: Mapping[str, Any]) -> str | None:
    """Name what is wrong about a card, if anything is."""
    settings, bands = card["settings"], card["settings"].get("bands")
    bands, labels = ([] if not isinstance(names, list) else names for names in (bands, settings.get("class_names")))
    decisions = {"binary": 1, "multilabel": len(labels)}.get(str(settings.get("task")), 0)
    checks = {
        "bands": _are_names(bands),
        "class names": "class_names" not in settings or _are_names(settings["class_names"]),
        "mean": settings.get("mean") is None or _are_numbers(settings["mean"], len(bands)),
        "std": settings.get("std") is None or _are_numbers(settings["std"], len(bands), least=0),
        "unit": settings.get("unit") is None or _is_unit(settings["unit"]),
        "task": settings.get("task", "multiclass") in ("multiclass", "binary", "multilabel"),
        "settings": all(isinstance(settings.get(key, False), bool) for key in ("calibrate", "test_time_augmentation")),
        "temperature": "class_names" not in settings or _are_numbers([card.get("temperature")], 1, least=0),
        "thresholds": "class_names" not in settings or _are_numbers(card.get("threshold"), decisions, least=0),
        "patch size": isinstance(size := card["data"].get("patch_size", 1), int) and 0 < size <= _MOST,
    }
    return next((name for name, right in checks.items() if not right), None)


def _are_names(value: Any) -> bool:
    texts = isinstance(value, list) and 0 < len(value) <= _MOST and all(isinstance(name, str) for name in value)
    return texts and len(set(value)) == len(value) and all(0 < len(n) <= _LONGEST and n.isprintable() for n in value)


def _is_unit(value: Any) -> bool:
    known = isinstance(value, dict) and value.get("dtype") in ("uint8", "uint16", "int16", "float32")
    stretch = value.get("stretch") if known else None
    return known and (stretch is None or _are_numbers(stretch, 2)) and isinstance(value.get("level") or "", str)


def _are_numbers(value: Any, count: int, least: float | None = None) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > _MOST or count != len(value):
        return False
    numbers = [item for item in value if isinstance(item, (int, float)) and not isinstance(item, bool)]
    return len(numbers) == len(value) and all(isfinite(n) and (least is None or n > least) for n in numbers)
