"""How fast the network of tiny_resnet18 answers on this CPU: torch eager and compiled, onnxruntime, int8, OpenVINO.

    python benchmarks/export.py [--threads 1]

Batches of 1 and 256 patches in turns of one process, in float32 (OpenVINO told so, as it would take bfloat16); medians,
and ratios to torch eager. OpenVINO is left out where it is not installed. The weights are drawn: rates need no others.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from common import classifier, seconds

from eurosat_cls.export.formats import write_onnx
from eurosat_cls.export.network import Portable, exported, sample_of
from eurosat_cls.export.quantize import quantize

ROUNDS = 9


def runtimes(folder: Path, threads: int) -> dict[str, Callable[[np.ndarray], object]]:
    """What takes raw patches, by name."""
    network = Portable(classifier("contiguous")).eval()
    compiled = torch.compile(network, dynamic=True)
    program = exported(network, sample_of(network.model, 64), "ResNet", "all")
    write_onnx(folder / "model.onnx", program, network.outputs, {}, "ResNet")
    quantize(folder / "model.onnx", folder / "int8.onnx", sample_of(network.model, 64, 128).numpy())
    found: dict[str, Callable[[np.ndarray], object]] = {
        "torch eager": lambda image: network(torch.from_numpy(image)),
        "torch compiled": lambda image: compiled(torch.from_numpy(image)),
    }
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    for name, file in (("onnxruntime", "model.onnx"), ("onnxruntime int8", "int8.onnx")):
        session = onnxruntime.InferenceSession(folder / file, options, providers=["CPUExecutionProvider"])
        found[name] = lambda image, session=session: session.run(None, {"image": image})  # type: ignore[misc]
    if find_spec("openvino") is not None:
        import openvino

        config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        model = openvino.compile_model(str(folder / "model.onnx"), "CPU", config)
        found["OpenVINO"] = lambda image: model([image])
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        found = runtimes(Path(folder), threads)
        for count in (1, 256):
            image = np.random.default_rng(0).integers(0, 256, (count, 3, 64, 64), dtype=np.uint8)
            for run in found.values():
                run(image)
            taken: dict[str, list[float]] = {name: [] for name in found}
            for _ in range(ROUNDS):
                for name, run in found.items():
                    taken[name].append(seconds(partial(run, image)))
            base = statistics.median(taken["torch eager"])
            print(f"batches of {count}, {threads} threads")
            for name, each in taken.items():
                median = statistics.median(each)
                rate, ratio = count / median, base / median
                print(f"  {name:18} {1e3 * median:8.2f} ms {rate:9.0f} patches/s {ratio:6.2f} times eager")


if __name__ == "__main__":
    main()
