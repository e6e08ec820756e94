"""Answers of an exported file in a process of its own: torch or onnxruntime alone, without this package.

Its text is run by ``python -c`` with the arguments FORMAT FILE INPUTS.npz OUTPUTS.npz.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Answer = Callable[[np.ndarray], Sequence[Any]]


def onnx(file: str) -> Answer:
    """Return what runs an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {session.get_inputs()[0].name: image})  # type: ignore[no-any-return]


def pt2(file: str) -> Answer:
    """Return what runs a program of torch.export."""
    import torch

    extra = {"mlm-metadata": ""}
    module = torch.export.load(file, extra_files=extra).module()
    assert json.loads(extra["mlm-metadata"])["properties"]
    return lambda image: [answer.detach().numpy() for answer in module(torch.from_numpy(image))]


def safetensors(file: str) -> Answer:
    """Return what runs a model that this package loads."""
    import torch

    from eurosat_cls import load

    model = load(file)

    def run(image: np.ndarray) -> Sequence[Any]:
        logits = model(torch.from_numpy(image)).float()
        return [logits.numpy(), model.postprocessing.probabilities(logits).numpy()]

    return torch.inference_mode()(run)


def main(kind: str, file: str, inputs: str, outputs: str) -> None:
    """Answer every array of ``inputs``; keep the answers as ``NUMBER_OUTPUT``, and the seconds they took."""
    answer: Answer = {"onnx": onnx, "pt2": pt2, "safetensors": safetensors}[kind](file)
    found: dict[str, Any] = {}
    with np.load(inputs) as arrays:
        batches = [arrays[str(number)] for number in range(len(arrays.files))]
    assert kind == "safetensors" or "eurosat_cls" not in sys.modules
    start = time.perf_counter()
    for number, batch in enumerate(batches):
        found |= {f"{number}_{place}": np.asarray(array) for place, array in enumerate(answer(batch))}
    np.savez(outputs, seconds=time.perf_counter() - start, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
