"""Maps of whole scenes: time, rate beside the network alone, memory, and how both grow with the scene.

python benchmarks/mapping.py             four sizes of RGB up to 4,000 pixels, 13 bands, JPEG 2000, dense
python benchmarks/mapping.py --tile      the same with a whole Sentinel-2 tile of 10,980 pixels

A whole tile takes about half an hour on two cores. The network is tiny_resnet18 with random weights: what it says does
not change what it costs.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from benchmarks.common import classifier
from eurosat_cls.data.sentinel2 import BANDS, RGB
from eurosat_cls.scenes import open_scene
from eurosat_cls.utils.machine import cpu_name
from tests.scenes.products import CRS, TRANSFORM, write_product

BLOCK = 1024
Writer = Callable[[Path, int, Sequence[str]], Path]
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def land(side: int, bands: Sequence[str], row: int, height: int) -> np.ndarray:
    """Rows of land-like texture ``[C, height, side]``: 8 bits for RGB, else digital numbers."""
    rgb = list(bands) == list(RGB)
    rng = np.random.default_rng(row)
    coarse = rng.uniform(0.3, 1.7, (len(bands), height // 32 + 1, side // 32 + 1)).repeat(32, 1).repeat(32, 2)
    noise = rng.uniform(0.9, 1.1, (1, height, side))
    values: np.ndarray = (90 if rgb else 1200) * coarse[:, :height, :side] * noise + 1
    return values.astype(np.uint8 if rgb else np.uint16)


def write_scene(path: Path, side: int, bands: Sequence[str]) -> Path:
    """Write a GeoTIFF, block by block."""
    profile = {"driver": "GTiff", "width": side, "height": side, "count": len(bands), "tiled": True,
               "dtype": land(1, bands, 0, 1).dtype, "blockxsize": 256, "blockysize": 256, "compress": "deflate",
               "zlevel": 1, "crs": CRS, "transform": TRANSFORM}  # fmt: skip
    with rasterio.open(path.with_suffix(".tif"), "w", **profile) as dataset:
        dataset.descriptions = tuple(bands)
        for row in range(0, side, BLOCK):
            height = min(BLOCK, side - row)
            dataset.write(land(side, bands, row, height), window=Window(0, row, side, height))
    return path.with_suffix(".tif")


def write_jp2(folder: Path, side: int, bands: Sequence[str]) -> Path:
    """Write a product: a lossless JPEG 2000 file for each band, at the band's own resolution."""
    side -= side % 6
    rows = [land(side, bands, row, min(BLOCK, side - row)) for row in range(0, side, BLOCK)]
    planes = {band: np.concatenate([part[index] for part in rows]) for index, band in enumerate(bands)}
    planes["B10"] //= 100  # nearly nothing gets through there, which is looked at
    return write_product(folder, planes)


def decoding(scene: Path, bands: Sequence[str]) -> float:
    """Seconds that reading a scene takes alone, in the strips of a map."""
    start = time.perf_counter()
    with open_scene(scene) as opened:
        for row in range(0, opened.grid.height, BLOCK):
            opened.read(bands, slice(row, min(row + BLOCK, opened.grid.height)), slice(0, opened.grid.width))
    return time.perf_counter() - start


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
        plan: list[tuple[str, int, int, tuple[str, ...], Writer, tuple[str, ...]]] = [
            *(("rgb", largest // part, 32, RGB, write_scene, ()) for part in (8, 4, 2, 1)),
            ("13 bands", largest, 32, BANDS, write_scene, ()),
            ("13 bands jpeg 2000", largest, 32, BANDS, write_jp2, ()),
            ("rgb windows", largest // 2, 16, RGB, write_scene, ()),
            ("rgb dense", largest // 2, 16, RGB, write_scene, ("--method", "dense")),
        ]
        for number, (name, side, step, bands, write, options) in enumerate(plan):
            if not name.startswith(given.only):
                continue
            scene = write(folder / f"scene{number}", side, bands)
            before = network_rate(bands)
            found = measure(models[bands], scene, folder / str(number), "--step", str(step), *options)
            show(name, side, step, bands, found, (before + network_rate(bands)) / 2)
            if write is write_jp2:
                print(f"  decoding alone, in one thread: {decoding(scene, bands):.1f} s", flush=True)
                shutil.rmtree(scene)
            else:
                scene.unlink()


if __name__ == "__main__":
    main()
