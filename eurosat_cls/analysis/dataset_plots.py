"""Pictures of the data, as files."""

import copy
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eurosat_cls.analysis.dataset import counts_of, nanometres_of, statistics_of
from eurosat_cls.analysis.places import find_places
from eurosat_cls.analysis.plots.augmentations import draw_augmentations
from eurosat_cls.analysis.plots.classes import draw_classes
from eurosat_cls.analysis.plots.files import write_png
from eurosat_cls.analysis.plots.histograms import draw_histograms
from eurosat_cls.analysis.plots.labels import label_text
from eurosat_cls.analysis.plots.patches import caption_of, choose_patches, draw_patches
from eurosat_cls.analysis.plots.places import draw_places
from eurosat_cls.analysis.plots.spectra import draw_spectra
from eurosat_cls.data.augment import Augmentation, augment_batch
from eurosat_cls.data.batch import Batch
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import writing

SHOWN_AUGMENTED = 8  # patches in a row of augmentations.png


def write_pictures(data: PatchDataModule, folder: Path) -> list[Path]:
    """Write pictures of the data into this folder, and print their paths.

    Raises:
        UserError: when the folder cannot be written.
    """
    statistics, counts, nanometres = statistics_of(data), counts_of(data), nanometres_of(data.bands)
    about = f"{Path(data.store.source).name}, split: {data.split.method}"
    training = f"{about}, {data.train_patches:,} training patches"
    several = "; a patch counts in each of its classes" if data.store.multilabel else ""
    by_wavelength = np.argsort(nanometres, kind="stable").tolist() if nanometres else list(range(len(data.bands)))
    titles = [f"{b}  {n:.0f} nm" for b, n in zip(data.bands, nanometres, strict=True)] if nanometres else data.bands
    pictures = {
        "patches": _patches(data),
        "classes": draw_classes(counts, data.class_names, about + several),
        "histograms": draw_histograms(statistics.select(by_wavelength), [titles[c] for c in by_wavelength], training),
        "spectra": draw_spectra(statistics, data.class_names, nanometres, training),
    }
    try:
        if places := find_places(data):
            nobody = np.empty(0, np.int64)
            pictures["places"] = draw_places(places, nobody, nobody, about)
    except UserError as error:
        print(f"there is no picture of places: {error}")
    if data.augment:
        pictures["augmentations"] = _augmentations(data)
    paths = [_save(folder / f"{name}.png", picture) for name, picture in pictures.items()]
    if not data.augment:
        print("data.augment is empty: there is no picture of augmentations")
    return paths


def _save(path: Path, picture: Any) -> Path:
    """Write an array or a figure as PNG."""
    with writing(path):
        write_png(path, picture)
    print(path)
    return path


def _patches(data: PatchDataModule) -> np.ndarray:
    store, names = data.store, data.class_names
    chosen = choose_patches(store.labels, data.split.train, len(names))
    images = [data.read(indices) for _, indices in chosen]
    captions = [[caption_of(store.files[row], store.labels[row], names) for row in indices] for _, indices in chosen]
    return draw_patches(images, [k for k, _ in chosen], captions, names, data.bands)


def _augmentations(data: PatchDataModule) -> np.ndarray:
    """Draw a row for each augmentation, then one for all of them together."""
    store = data.store
    chosen = [indices for _, indices in choose_patches(store.labels, data.split.train, len(data.class_names))]
    # A patch of each class in turn, of several classes not always the first one.
    in_turn = [indices[(nth + k) % len(indices)] for nth in range(SHOWN_AUGMENTED) for k, indices in enumerate(chosen)]
    indices = np.array(list(dict.fromkeys(in_turn))[:SHOWN_AUGMENTED], dtype=np.int64)
    batch = Batch(
        torch.from_numpy(np.ascontiguousarray(data.read(indices))),
        _shares(torch.from_numpy(store.labels[indices]), len(data.class_names)),
        torch.from_numpy(indices),
    )
    further = [(_describe(part), [_always(part)]) for part in data.augment]
    further.append((f"all {len(data.augment)} together, as in training", list(data.augment)))
    augmented = []
    for title, parts in further:
        changed = augment_batch(parts, batch, 0, torch.Generator().manual_seed(0))
        augmented.append((title, changed.image.numpy(), _captions(data, changed, batch)))
    return draw_augmentations(
        batch.image.numpy(), augmented, data.bands, _captions(data, batch), "alone, on every patch; then all together"
    )


def _shares(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Labels ``[n]`` or ``[n, K]`` -> float32 ``[n, K]``."""
    return labels.float() if labels.ndim == 2 else torch.nn.functional.one_hot(labels, classes).float()


def _captions(data: PatchDataModule, batch: Batch, before: Batch | None = None) -> list[str]:
    """What the patches are labelled, where that has changed if a batch is given to compare with."""
    if before is not None and torch.equal(batch.target, before.target):
        return [""] * len(batch.target)
    return [label_text(target, data.class_names, data.store.multilabel) for target in batch.target.numpy()]


def _always(part: Augmentation) -> Augmentation:
    """Return the augmentation so that it changes every patch."""
    certain = copy.copy(part)
    certain.probability = 1.0
    return certain


def _describe(part: Augmentation) -> str:
    """Write an augmentation with its settings, e.g. ``"Shift: pixels 4, probability 1.0"``."""
    names = [name for name in inspect.signature(type(part)).parameters if hasattr(part, name)]
    settings = ", ".join(f"{name} {getattr(part, name)}" for name in names if name != "disable_last_epochs")
    return f"{type(part).__name__}: {settings}" if settings else type(part).__name__
