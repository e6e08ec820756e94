"""Whether familiarity tells what a network cannot know: classes that it never saw, noise, swapped bands, units, clouds.

    python benchmarks/familiarity.py --run lightning_logs/version_0 --scenes ../shared/data/scenes
    python benchmarks/familiarity.py --hold_out Forest River Highway Industrial SeaLake --epochs 6 --fraction 0.5

The first compares the test patches of a run, which must have its statistics (``upgrade``), with the same patches made
odd, and prints the area under the ROC curve (0.5: they look alike; 1: every odd patch is less familiar than every other
one) by familiarity, and by the confidence of the network for comparison, and which share is below a familiarity of
0.01. Of scenes it prints the same for dates that are called cloudy in their names against clear ones. The second trains
without each class in turn, and compares the test patches of that class with those of the others; ``relative`` are the
distances of Ren et al. 2021, less those from one Gaussian of all classes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import torch
from torch import Tensor, nn

import eurosat_cls
from eurosat_cls import Classifier, Trainer
from eurosat_cls.data import Dihedral, EuroSAT, Shift
from eurosat_cls.encoders import ResNet
from eurosat_cls.models.evidence import Evidence, fit_gaussians
from eurosat_cls.models.evidence_fit import fit_evidence
from eurosat_cls.scenes.settings import MapOptions
from eurosat_cls.utils.modules import evaluating

QUIET = dict.fromkeys(("logger", "enable_checkpointing", "enable_model_summary", "enable_progress_bar"), False)


def auroc(known: Tensor, odd: Tensor) -> float:
    """Chance that an odd patch has a smaller value than a known one; ties count half."""
    ordered = known.sort().values
    below, up_to = (torch.searchsorted(ordered, odd, right=right).double() for right in (False, True))
    return 1 - float((below + up_to).mean()) / (2 * len(ordered))


def autocast() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


def answers(model: Classifier, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features and confidence of raw patches."""
    found = []
    with evaluating(model), torch.inference_mode(), autocast():
        for batch in images.split(256):
            logits, features = model.logits_and_features(batch)
            found.append((features.float(), model.expected(logits.float()).amax(1)))
    features, confidence = zip(*found, strict=True)
    return torch.cat(features), torch.cat(confidence)


def report(name: str, known: tuple[Tensor, Tensor], odd: tuple[Tensor, Tensor], evidence: Evidence) -> None:
    """Print a line: by distance, as many p-values are alike where nothing is familiar."""
    distance = [evidence.distance(part[0]) for part in (known, odd)]
    flagged = float((evidence.familiarity(odd[0]) < 0.01).float().mean())
    print(
        f"{name:34} {auroc(-distance[0], -distance[1]):11.3f} {auroc(known[1], odd[1]):11.3f} {flagged:12.3f}",
        flush=True,
    )


def head() -> None:
    print(f"{'':34} familiarity  confidence  below 0.01")


ODD: dict[str, Callable[[Tensor], Tensor]] = {
    "noise of 20 levels": lambda x: (x + 20 * torch.randn(x.shape)).clamp(0, 255).round(),
    "noise of 60 levels": lambda x: (x + 60 * torch.randn(x.shape)).clamp(0, 255).round(),
    "uniform noise alone": lambda x: torch.randint(0, 256, x.shape).float(),
    "red and blue swapped": lambda x: x.flip(1),
    "red and green swapped": lambda x: x[:, [1, 0, 2]],
    "unit: half the values": lambda x: (x / 2).round(),
    "unit: a fifth of the values": lambda x: (x / 5).round(),
    "unit: 1.5 times, cut at 255": lambda x: (1.5 * x).clamp_max(255).round(),
    "one grey value": lambda x: torch.full_like(x, 128),
}


def shifts(run: Path, count: int) -> None:
    """Print what familiarity says of test patches that were made odd."""
    model, data = eurosat_cls.load(run), EuroSAT()
    assert model.evidence is not None, "upgrade the run first"
    torch.manual_seed(0)
    images = torch.from_numpy(data.read(data.split.test[:: max(1, len(data.split.test) // count)]))
    known = answers(model, images)
    p = model.evidence.familiarity(known[0])
    print(f"{len(images)} test patches: {float((p < 0.01).float().mean()):.4f} below 0.01, "
          f"{float((p < 0.05).float().mean()):.4f} below 0.05")  # fmt: skip
    head()
    for name, change in ODD.items():
        report(name, known, answers(model, change(images.float()).to(images.dtype)), model.evidence)
    start = time.perf_counter()
    features = torch.randn(256, model.evidence.means.shape[1])
    for _ in range(100):
        model.evidence.familiarity(features)
    spent = (time.perf_counter() - start) / 100
    start = time.perf_counter()
    with evaluating(model), torch.inference_mode(), autocast():
        for _ in range(5):
            model.predict_logits(images[:256])
    print(f"familiarity takes {spent / ((time.perf_counter() - start) / 5):.4f} of the time of the network alone")


def clouds(run: Path, scenes: Path) -> None:
    """Print the familiarity of the windows of each date of a scene, and how well it parts cloudy from clear ones."""
    found: dict[str, list[Tensor]] = {"clear": [], "cloudy": []}
    for path in sorted(scenes.glob("*.tif")):
        kind = path.stem.rpartition("_")[2]
        if kind not in found:
            continue
        with tempfile.TemporaryDirectory() as out:
            folder = eurosat_cls.map_scene(run, path, out, options=MapOptions(step=8, min_familiarity=0.01))
            with rasterio.open(folder / "familiarity.tif") as dataset:
                values = torch.from_numpy(dataset.read(1)).flatten()
        found[kind].append(values[values.isfinite()])
        print(f"{path.stem}: mean familiarity {float(found[kind][-1].mean()):.4f}", flush=True)
    clear, cloudy = (torch.cat(found[kind]) for kind in ("clear", "cloudy"))
    print(f"cloudy against clear dates, by familiarity: {auroc(clear, cloudy):.3f}")


def hold_out(name: str, epochs: int, fraction: float) -> None:
    """Train without a class, and print how well its test patches are told from the others."""
    data = EuroSAT(augment=[Dihedral(), Shift(4)], train_fraction=fraction)
    odd, labels, split = data.class_names.index(name), data.store.labels, data.split
    train, val = (part[np.asarray(labels[part]) != odd] for part in (split.train, split.val))
    data.__dict__["split"] = replace(split, train=train, val=val)
    torch.manual_seed(0)
    model = Classifier(
        partial(ResNet, widths=(16, 48, 96, 160), blocks=(2, 2, 2, 2), stem_stride=2), data.class_names, data.bands,
        loss=partial(nn.CrossEntropyLoss, label_smoothing=0.1),
        optimizer=partial(torch.optim.SGD, lr=0.2, momentum=0.9, nesterov=True, weight_decay=1e-3),
        lr_scheduler=partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.2, pct_start=0.15, cycle_momentum=False),
        mean=data.mean, std=data.std, memory_format="channels_last",
    )  # fmt: skip
    trainer = Trainer(max_epochs=epochs, accelerator="cpu", precision="bf16-mixed", num_sanity_val_steps=0, **QUIET)
    trainer.fit(model, datamodule=data)
    evidence = fit_evidence(model, data, autocast)
    assert evidence is not None
    test = split.test
    known, other = (answers(model, torch.from_numpy(data.read(part))) for part in
                    (test[np.asarray(labels[test]) != odd], test[np.asarray(labels[test]) == odd]))  # fmt: skip
    accuracy = float(trainer.callback_metrics["val/accuracy"])
    report(f"{name} (val/accuracy {accuracy:.3f})", known, other, evidence)
    features = answers(model, torch.from_numpy(data.read(train[:: max(1, len(train) // 8000)])))[0]
    zero = torch.zeros(1)
    whole = Evidence(*fit_gaussians(features, torch.zeros(len(features), dtype=torch.int64)), zero, zero)
    relative = [whole.distance(part[0]) - evidence.distance(part[0]) for part in (known, other)]
    print(f"{'':34} relative {auroc(*relative):.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run on EuroSAT RGB with statistics")
    parser.add_argument("--scenes", type=Path, help="a folder of scenes, <name>_clear.tif and <name>_cloudy.tif")
    parser.add_argument("--count", type=int, default=2000, help="test patches that are made odd")
    parser.add_argument("--hold_out", nargs="*", default=[], help="classes")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--fraction", type=float, default=1.0, help="of the training patches")
    given = parser.parse_args()
    if given.run:
        shifts(given.run, given.count)
    if given.run and given.scenes:
        clouds(given.run, given.scenes)
    if given.hold_out:
        head()
    for name in given.hold_out:
        hold_out(name, given.epochs, given.fraction)


if __name__ == "__main__":
    main()
