"""An exported ONNX file in 8-bit integers, where that is faster and hardly worse."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eurosat_cls.export.patches import Patches
from eurosat_cls.models.classifier import Classifier

WORSE = 0.003  # what it may lose of the accuracy
_BATCH, _ROUNDS = 64, 7
_OPERATORS = ["Conv", "Gemm", "MatMul", "Add", "MaxPool"]


def quantize(source: Path, target: Path, calibration: np.ndarray) -> None:
    """Write an ONNX file with static 8-bit weights, for each channel, and activations.

    Args:
        source: in float32.
        target: the file to write; what ``source`` says of itself is kept.
        calibration: raw training patches ``[n, C, H, W]``, from which the ranges of activations are learned.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[np.ndarray] = iter(np.array_split(calibration, -(-len(calibration) // _BATCH)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"image": batch}

    former = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it recommends a step that dynamic sizes do not need
    try:
        quantize_static(source, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                        op_types_to_quantize=_OPERATORS, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8)  # fmt: skip
    finally:
        logging.root.setLevel(former)
    model = onnx.load(target)
    domains = {node.domain for node in model.graph.node}
    for entry in [entry for entry in model.opset_import if entry.domain not in domains]:
        model.opset_import.remove(entry)
    onnx.helper.set_model_props(model, {entry.key: entry.value for entry in onnx.load(source).metadata_props})
    onnx.save(model, target)


def compare(model: Classifier, float32: Path, int8: Path, test: Patches) -> dict[str, Any]:
    """Return accuracy and rate of both files on test patches, in turns of one process, as plain data."""
    sessions = {"float32": _session(float32), "int8": _session(int8)}
    batches = [test.images[at : at + _BATCH] for at in range(0, len(test.images), _BATCH)]
    found: dict[str, Any] = {"patches": len(test.images)}
    for name, session in sessions.items():
        logits = np.concatenate([session.run(["logits"], {"image": batch})[0] for batch in batches])
        found[f"{name} accuracy"] = _accuracy(model, torch.from_numpy(logits), torch.from_numpy(test.labels))
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(_ROUNDS):
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run(["logits"], {"image": batches[0]})
            seconds[name].append(time.perf_counter() - start)
    rates = {name: len(batches[0]) / float(np.median(each)) for name, each in seconds.items()}
    found |= {f"{name} patches per second": round(rate, 1) for name, rate in rates.items()}
    lost = found["float32 accuracy"] - found["int8 accuracy"]
    return {**found, "times as fast": round(rates["int8"] / rates["float32"], 3), "accuracy lost": round(lost, 5)}


def is_better(found: dict[str, Any]) -> bool:
    """Whether the int8 file is the faster one, and not worse by more than :data:`WORSE`."""
    return bool(found["times as fast"] > 1 and found["accuracy lost"] <= WORSE)


def _accuracy(model: Classifier, logits: torch.Tensor, labels: torch.Tensor) -> float:
    scored, target = model.rules.scored(logits, labels, model.threshold)
    decided = scored.argmax(1) if model.task == "multiclass" else scored > 0.5
    return float((decided == target).float().mean())


def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
