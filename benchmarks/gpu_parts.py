"""The parts of `gpu.py`, each in a process of its own: python -m gpu_parts PART DEVICE SECONDS RATE RESULT."""

import csv
import json
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import BATCH, CONFIG, Turns, ours, raw_step, synchronise

import eurosat_cls
from eurosat_cls.cli import main
from eurosat_cls.data import Demo, EuroSAT
from eurosat_cls.data.augment import Dihedral, Shift, augment_batch
from eurosat_cls.data.batch import Batch
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.scenes.network import running
from eurosat_cls.training.precision import supports_bf16
from eurosat_cls.utils.machine import environment

DEMO = str(CONFIG.parent / "demo.yaml")
RUN = "lightning_logs/version_0"
BEST = f"{RUN}/checkpoints/best.ckpt"
TARGET = 0.98
FEW = 40  # patches of a class, where it is not about speed
EPOCH = re.compile(r"epoch (\d+)/\d+ .*val/loss ([\d.]+) +val/accuracy ([\d.]+)")
LAYOUTS = ("contiguous", "channels_last")
COMPILING = 45.0  # seconds that it may take to compile a training step
TESTING = 40.0  # seconds that two tests may take after a training, start included
SHORT = ["--trainer.precision", "32-true", "--model.init_args.memory_format", "contiguous", "--pictures", "[]"]


@dataclass
class Job:
    """What a part is given, and where it keeps what it finds.

    Attributes:
        device: ``cuda`` or ``cpu``.
        seconds: that it may take.
        rate: images/s that a training reached; 0 where nobody knows.
        result: the file.
    """

    device: str
    seconds: float
    rate: float
    result: Path
    found: dict[str, Any] = field(default_factory=dict)
    start: float = field(default_factory=time.monotonic)

    def keep(self, **values: Any) -> None:
        """Write down what was found so far."""
        self.found |= values
        self.result.write_text(json.dumps(self.found))

    @contextmanager
    def trying(self, name: str) -> Iterator[None]:
        """Keep the reason why something fails, and go on."""
        try:
            yield
        except (Exception, SystemExit) as error:  # whatever a device, a library or a command has against it
            self.keep(**{name: {"failed": f"{type(error).__name__}: {error}"[:500]}})

    @property
    def left(self) -> float:
        """Seconds."""
        return self.seconds - (time.monotonic() - self.start)

    @property
    def on_device(self) -> list[str]:
        """Options for a command that trains or predicts there."""
        return ["--trainer.accelerator", self.device, "--trainer.devices", "1"]

    @property
    def data(self) -> list[str]:
        """Options for real patches where there are such, else for the demo data."""
        return [] if os.environ.get("EUROSAT_ROOT") else ["--config", DEMO, "--data.init_args.batch_size", str(BATCH)]


def machine(job: Job) -> None:
    """Versions, and the device."""
    job.keep(environment=environment(), bf16=supports_bf16(torch.device(job.device)))
    if job.device == "cuda":
        about = torch.cuda.get_device_properties(0)
        version = torch.backends.cudnn.version()
        job.keep(device=about.name, capability=[about.major, about.minor], memory=about.total_memory,
                 cuda=torch.version.cuda, cudnn=version, nccl=list(torch.cuda.nccl.version()))  # fmt: skip


def parity(job: Job) -> None:
    """One checkpoint on the CPU and on the device: logits, predictions and a map."""
    small = ["--config", str(CONFIG), "--config", DEMO, "--data.init_args.patches_per_class", str(FEW)]
    main(["fit", *small, *SHORT, "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"])
    patches = torch.from_numpy(Demo(FEW).read(range(0, 10 * FEW, 2)))
    for name, precision, views in (("float32", "32-true", 1), ("eight views", "32-true", 8), ("bf16", "bf16-mixed", 1)):
        with job.trying(name):
            cpu, there = _logits(patches, "cpu", "32-true", views), _logits(patches, job.device, precision, views)
            equal = float((cpu.argmax(1) == there.argmax(1)).float().mean())
            off, most = float((cpu - there).abs().max()), float(cpu.abs().max())
            job.keep(**{name: {"largest_difference": off, "largest_logit": most, "equal_classes": equal}})
    with job.trying("predict"):
        tables = []
        for device in ("cpu", job.device):
            given = ["--ckpt_path", BEST, "--trainer.accelerator", device, "--output", f"on_{device}.csv"]
            main(["predict", *small, *SHORT, *given])
            with open(f"on_{device}.csv", encoding="utf-8", newline="") as stream:
                tables.append(list(csv.DictReader(stream)))
        pairs = list(zip(*tables, strict=True))
        off = max(abs(float(one["confidence"]) - float(other["confidence"])) for one, other in pairs)
        equal = statistics.mean(one["predicted"] == other["predicted"] for one, other in pairs)
        job.keep(predict={"patches": len(pairs), "equal_classes": equal, "largest_difference_of_confidence": off})
    with job.trying("map"):
        maps = [_map(device) for device in ("cpu", job.device)]
        job.keep(map={"cells": maps[0].size, "equal_classes": float((maps[0] == maps[1]).mean())})


def _logits(patches: torch.Tensor, device: str, precision: Any, views: int) -> torch.Tensor:
    model = eurosat_cls.load(RUN).to(device)
    model.test_time_augmentation = views == 8
    with running(torch.device(device), precision):
        return model.predict_logits(patches.to(device)).float().cpu()


def _map(device: str) -> np.ndarray:
    """Map a mosaic of demo patches with the command, and return its classes."""
    import rasterio

    patches = Demo(FEW).read(np.arange(36) * 7 % (10 * FEW)).reshape(6, 6, 3, 64, 64)
    mosaic = patches.transpose(2, 0, 3, 1, 4).reshape(3, 384, 384)
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_100_000)}
    with rasterio.open("scene.tif", "w", "GTiff", 384, 384, 3, dtype="uint8", **place) as scene:
        scene.write(mosaic)
        scene.descriptions = ("B04", "B03", "B02")
    main(["map", RUN, "scene.tif", "--device", device, "--step", "32", "--out", f"map_{device}"])
    with rasterio.open(next(Path(f"map_{device}").glob("*/classes.tif"))) as made:
        classes: np.ndarray = made.read(1)
        return classes


def steps(job: Job) -> None:
    """Images/s of the bare training step in every setting, with all patches resident on the device, and compiled."""
    precisions = ["32-true", *(["bf16-mixed"] if supports_bf16(torch.device(job.device)) else [])]
    rates: dict[str, float] = {}
    for precision, layout in product(precisions, LAYOUTS):
        with job.trying(f"{precision} {layout}"):
            step = raw_step(precision, layout, device=job.device)
            rates[f"{precision} {layout}"] = _rate(job, f"{precision} {layout}", step)
    best = max(rates, key=lambda name: rates[name])
    precision, layout = best.split()
    with job.trying("resident data"):
        data = EuroSAT() if os.environ.get("EUROSAT_ROOT") else Demo()
        step = raw_step(precision, layout, device=job.device, batches=_resident(data, job.device))
        rate = _rate(job, "resident data", step)
        job.keep(resident_data_of_the_bare_step={"setting": best, "kept": round(rate / rates[best], 4)})
    for layout in LAYOUTS:
        with job.trying(name := f"{precision} {layout} compiled"):
            if job.left < COMPILING:
                raise TimeoutError(f"{job.left:.0f} s are too few to compile in")
            _rate(job, name, raw_step(precision, layout, True, device=job.device))


def _rate(job: Job, name: str, step: Callable[[], None], turns: int = 5) -> float:
    """Keep and return images/s, the median of some turns, and the device's memory at its fullest."""
    if job.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    begin = time.perf_counter()
    step()  # compiles, where it does
    synchronise(job.device)
    first, each, seconds = time.perf_counter() - begin, 1 if job.device == "cpu" else 20, []
    for turn in range(turns + 1):
        begin = time.perf_counter()
        for _ in range(each):
            step()
        synchronise(job.device)
        seconds += [(time.perf_counter() - begin) / each] * (turn > 0)
    rate = BATCH / statistics.median(seconds)
    memory = {"peak_bytes": torch.cuda.max_memory_allocated()} if job.device == "cuda" else {}
    job.keep(**{name: {"images_per_second": round(rate, 1), "first_step_seconds": round(first, 2), **memory}})
    return rate


def _resident(data: PatchDataModule, device: str) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
    """Draw and augment batches where the patches are: on the device."""
    images = torch.from_numpy(data.read(data.split.train)).to(device)
    labels = torch.from_numpy(np.asarray(data.store.labels[data.split.train])).long().to(device)
    parts, generator = [Dihedral(), Shift(4)], torch.Generator().manual_seed(0)

    def batches() -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.randint(len(labels), (BATCH,), generator=generator).to(device)
        batch = augment_batch(parts, Batch(images[rows], labels[rows], rows), 0, generator)
        return batch.image, batch.target

    return batches


def fit(job: Job) -> None:
    """Training through the command line against its bare step, in turns, and the memory that it takes."""
    chosen = ours(12, *job.data, *job.on_device)
    if job.device == "cuda":
        job.keep(peak_bytes=torch.cuda.max_memory_allocated())
    job.keep(chosen=chosen, peak_bytes_of_the_process=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    settings = {key: chosen[key] for key in ("precision", "memory_format", "compile")}
    turns = [{"class_path": "common.Turns", "init_args": {**settings, "device": job.device, "warm_epochs": 1}}]
    steps = 126 if job.device == "cuda" else 28
    ours(steps, *job.data, *job.on_device, "--trust", "common", "--trainer.callbacks", json.dumps(turns))
    rates = [BATCH / statistics.median(seconds) for seconds in (Turns.fit, Turns.raw)]
    job.keep(images_per_second=round(rates[0], 1), bare_step=round(rates[1], 1), kept=round(rates[0] / rates[1], 4),
             timed=len(Turns.fit))  # fmt: skip


def two_processes(job: Job) -> None:
    """Two processes on one device as two machines of one: NCCL refuses that in recent versions, gloo does not."""
    given = ["--config", str(CONFIG), "--config", DEMO, "--data.init_args.patches_per_class", str(FEW), *SHORT,
             "--trainer.max_epochs", "2", *job.on_device, "--data.init_args.augment", "[]"]  # fmt: skip
    single = _end(_start("single", [*given, "--data.init_args.batch_size", "64"], {}), job.left / 2)
    job.keep(single=single)
    for backend in ("nccl", "gloo") if job.device == "cuda" else ("gloo",):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        strategy = "lightning.pytorch.strategies.DDPStrategy"
        two = [*given, "--data.init_args.batch_size", "32", "--trainer.num_nodes", "2", "--trainer.strategy", strategy,
               "--trainer.strategy.init_args.process_group_backend", backend]  # fmt: skip
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 1,
                  "LOCAL_RANK": 0, "TORCHELASTIC_RUN_ID": "gpu"}  # fmt: skip
        started = [_start(backend, two, {**shared, "RANK": r, "GROUP_RANK": r}) for r in (0, 1)]
        until = time.monotonic() + job.left / (2 if backend == "nccl" else 1) - 2
        job.keep(**{backend: [_end(process, until - time.monotonic()) for process in started]})


def _start(folder: str, options: list[str], more: dict[str, object]) -> "subprocess.Popen[str]":
    Path(folder).mkdir(exist_ok=True)
    env = {**os.environ, **{name: str(value) for name, value in more.items()}}
    command = [sys.executable, "-m", "eurosat_cls", "fit", *options]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _end(process: "subprocess.Popen[str]", seconds: float) -> dict[str, Any]:
    """Wait for a training; return the metrics of its last epoch, or why there are none."""
    try:
        said = process.communicate(timeout=max(1.0, seconds))[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return {"failed": f"not done after {seconds:.0f} s: {process.communicate()[1][-300:]}"}
    epochs = EPOCH.findall(said)
    if process.returncode:
        return {"failed": said.strip()[-500:]}
    # Only the first of several processes speaks.
    return {"val/loss": float(epochs[-1][1]), "val/accuracy": float(epochs[-1][2])} if epochs else {"exit_code": 0}


def training(job: Job) -> None:
    """The recipe from the command to ``test.json``: when it reached 98 % of validation, and what the test says."""
    real = bool(os.environ.get("EUROSAT_ROOT"))
    data, planned = (EuroSAT(), 80) if real else (Demo(), 15)
    images = len(data.split.train)
    left = job.left - TESTING - 15  # the start and the pictures
    epochs = max(1, min(planned, int(0.8 * left * job.rate / images) if job.rate else planned))
    options = ["--config", str(CONFIG), *([] if real else ["--config", DEMO])]
    begin = time.monotonic()
    process = _start(".", [*options, *job.on_device, "--trainer.max_epochs", str(epochs)], {})
    job.keep(data=data.store.source, epochs=epochs, of=planned, target=TARGET)
    # It saves what it has when it is asked to end, and can be tested all the same.
    timer = threading.Timer(max(1.0, job.left - TESTING), process.send_signal, [signal.SIGTERM])
    timer.start()
    reached, said = [], ""
    assert process.stderr is not None
    for said in process.stderr:
        if match := EPOCH.search(said):
            reached.append((int(match[1]), float(match[3]), round(time.monotonic() - begin, 1)))
            first = next(({"epoch": e, "seconds": s} for e, accuracy, s in reached if accuracy >= TARGET), None)
            best = max(accuracy for _, accuracy, _ in reached)
            job.keep(epochs_done=reached[-1][0], first_at_target=first, best_validation=best)
    timer.cancel()
    job.keep(exit_code=process.wait(), last_line=said.strip(), seconds_of_fit=round(time.monotonic() - begin, 1))
    for name, views in (("test", "false"), ("test over eight views", "true")):
        with job.trying(name):
            main(["test", *options, *job.on_device, "--ckpt_path", BEST, "--pictures", "[]",
                  "--model.init_args.test_time_augmentation", views])  # fmt: skip
            tested = json.loads(Path(RUN, "test.json").read_text())
            seconds = round(time.monotonic() - begin, 1)
            job.keep(**{name: {"accuracy": tested["test/accuracy"], **tested["right"], "seconds_from_start": seconds}})


if __name__ == "__main__":
    part, device, seconds, rate, result = sys.argv[1:]
    {each.__name__: each for each in (machine, parity, steps, fit, two_processes, training)}[part](
        Job(device, float(seconds), float(rate), Path(result))
    )
