"""Maps of whole scenes: time, rate beside the network alone, memory, and how both grow with the scene.

python benchmarks/mapping.py             four sizes of RGB up to 4,000 pixels, 13 bands, JPEG 2000, dense
python benchmarks/mapping.py --tile      the same with a whole Sentinel-2 tile of 10,980 pixels

A whole tile takes about half an hour on two cores. The network is tiny_resnet18 with random weights: what it says does
not change what it costs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
import torch
from rasterio.transform import from_origin
from rasterio.windows import Window

from benchmarks.common import classifier
from eurosat_cls.data.sentinel2 import BANDS, RGB
from eurosat_cls.utils.machine import cpu_name

BLOCK = 1024
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def write_scene(path: Path, side: int, bands: Sequence[str], driver: str = "GTiff") -> Path:
    """Write a scene of land-like texture, block by block."""
    rgb = list(bands) == list(RGB)
    dtype, level = ("uint8", 90) if rgb else ("uint16", 1200)
    flat = path.with_suffix(".flat.tif") if driver != "GTiff" else path
    profile = {"driver": "GTiff", "width": side, "height": side, "count": len(bands), "dtype": dtype, "tiled": True,
               "blockxsize": 256, "blockysize": 256, "compress": "deflate", "zlevel": 1, "crs": "EPSG:32633",
               "transform": from_origin(499_980, 5_100_000, 10, 10)}  # fmt: skip
    with rasterio.open(flat, "w", **profile) as dataset:
        dataset.descriptions = tuple(bands)
        for row in range(0, side, BLOCK):
            height = min(BLOCK, side - row)
            rng = np.random.default_rng(row)
            coarse = rng.uniform(0.3, 1.7, (len(bands), height // 32 + 1, side // 32 + 1)).repeat(32, 1).repeat(32, 2)
            noise = rng.uniform(0.9, 1.1, (1, height, side))
            values = (level * coarse[:, :height, :side] * noise + 1).astype(dtype)
            dataset.write(values, window=Window(0, row, side, height))
    if driver != "GTiff":
        rasterio.shutil.copy(flat, path, driver=driver, QUALITY="100", REVERSIBLE="YES", YCBCR420="NO")
        flat.unlink()
    return path


def save_model(path: Path, bands: Sequence[str]) -> Path:
    """Save tiny_resnet18 with random weights as a checkpoint."""
    model = classifier("contiguous", bands)
    settings = {key: getattr(model, key) for key in ("class_names", "bands", "task")}
    statistics = {key: getattr(model.normalize, key).tolist() for key in ("mean", "std")}
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": {
        **settings, **statistics, "encoder": {"class_path": "eurosat_cls.encoders.ResNet"},
    }}, path)  # fmt: skip
    return path


def network_rate(bands: Sequence[str], batch: int = 115, seconds: float = 6.0) -> float:
    """Windows per second of the network alone, on one resident batch: the median pass."""
    model = classifier("contiguous", bands).eval()
    dtype, most = (torch.uint8, 255) if list(bands) == list(RGB) else (torch.uint16, 4000)
    image = torch.randint(1, most, (batch, len(bands), 64, 64), dtype=torch.int32).to(dtype)
    taken, until = [], time.perf_counter() + seconds
    with torch.inference_mode():
        while time.perf_counter() < until:
            start = time.perf_counter()
            model.postprocessing.probabilities(model(image))
            taken.append(time.perf_counter() - start)
    return batch / statistics.median(taken)


def measure(model: Path, scene: Path, out: Path, *options: str) -> dict[str, float]:
    """Map a scene in a process of its own; return its seconds, those of each part, and its peak memory in GB."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "eurosat_cls", "map", str(model), str(scene), "--out", str(out), *options]
    # in between is a small process: what a process has needed at most is at least what the one that starts it had
    measured = subprocess.run([sys.executable, "-c", MEASURED, *command], stdout=subprocess.PIPE, check=True)
    (manifest,) = out.glob("*/map.json")
    parts = {name.partition(" ")[0]: value for name, value in json.loads(manifest.read_text())["seconds"].items()}
    return {"all": time.perf_counter() - start, "memory": int(measured.stdout) / 1e6, **parts}


def show(name: str, side: int, step: int, bands: Sequence[str], found: dict[str, float], alone: float) -> None:
    """Print a line."""
    axis = len(range(0, side - 63, step)) + ((side - 64) % step > 0)
    rate = axis**2 / found["classify"]
    print(
        f"{name:24} {side:6,} {step:4} {axis**2:9,} {found['all']:8.1f} {found['classify']:9.1f} {rate:9,.0f} "
        f"{rate / alone:7.2f} {found['memory']:8.2f}", flush=True,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tile", action="store_true", help="a whole tile of 10,980 pixels")
    parser.add_argument("--only", default="", help="only the lines whose name begins so")
    given = parser.parse_args()
    largest = 10_980 if given.tile else 4000
    print(f"{cpu_name()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print("name                       side step   windows  seconds  classify windows/s of alone memory GB")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        models = {bands: save_model(folder / f"{len(bands)}.ckpt", bands) for bands in (RGB, BANDS)}
        plan: list[tuple[str, int, int, tuple[str, ...], str, tuple[str, ...]]] = [
            *(("rgb", largest // part, 32, RGB, "GTiff", ()) for part in (8, 4, 2, 1)),
            ("13 bands", largest, 32, BANDS, "GTiff", ()),
            ("13 bands jpeg 2000", largest, 32, BANDS, "JP2OpenJPEG", ("--bands", ",".join(BANDS))),
            ("rgb windows", largest // 2, 16, RGB, "GTiff", ()),
            ("rgb dense", largest // 2, 16, RGB, "GTiff", ("--method", "dense")),
        ]
        for number, (name, side, step, bands, driver, options) in enumerate(plan):
            if not name.startswith(given.only):
                continue
            scene = write_scene(folder / f"scene{number}{'.jp2' if driver != 'GTiff' else '.tif'}", side, bands, driver)
            before = network_rate(bands)
            found = measure(models[bands], scene, folder / str(number), "--step", str(step), *options)
            show(name, side, step, bands, found, (before + network_rate(bands)) / 2)
            scene.unlink()


if __name__ == "__main__":
    main()
