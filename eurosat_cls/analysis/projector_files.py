"""Features of patches as files: for TensorBoard's embedding projector, and as arrays."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from eurosat_cls.data.splits.base import strata
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import created, write_text

CONFIG = "projector_config.pbtxt"  # the name that TensorBoard looks for in a run
FOLDER = "projector"


class Embeddings(NamedTuple):
    """What an encoder makes of patches.

    Attributes:
        features: float32 ``[n, D]``.
        labels: ``[n]`` int64, or ``[n, K]`` of 0 and 1.
        files: ``[n]`` names of their files.
        label_names: ``[n]`` their labels in words.
        predicted: ``[n]`` what they are called by the classifier.
        correct: bool ``[n]``, whether that is right.
        class_names: ``[K]`` names.
    """

    features: np.ndarray
    labels: np.ndarray
    files: Sequence[str]
    label_names: Sequence[str]
    predicted: Sequence[str]
    correct: np.ndarray
    class_names: Sequence[str]


def stratified_sample(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return positions of patches in which classes have about the share that they have in all, and at least one patch.

    Args:
        labels: ``[N]`` int64, or ``[N, K]`` of 0 and 1, where the rarest label of a patch decides.
        count: how many; all where there are no more. Slightly more where classes are many.
        seed: decides which.

    Returns:
        int64, rising.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    random, of_patch = np.random.default_rng(seed), strata(labels)
    found, size = np.unique(of_patch, return_counts=True)
    exact = size * count / len(labels)
    wanted = np.floor(exact).astype(int)
    rest = np.argsort(wanted - exact, kind="stable")[: count - int(wanted.sum())]
    wanted[rest] += 1
    chosen = [
        random.permutation(np.flatnonzero(of_patch == stratum))[: max(1, number)]
        for stratum, number in zip(found, wanted, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def spherized(features: np.ndarray) -> np.ndarray:
    """Move the mean of ``[n, D]`` features to the origin and give each the length 1, so that directions compare."""
    centred = features - features.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def write_arrays(path: Path, embeddings: Embeddings) -> None:
    """Write features, labels, files, predicted and class_names into an NPZ file, which loads without pickle.

    Raises:
        OSError: when it cannot be written.
    """
    files, predicted, class_names = (
        np.array(names, dtype=str) for names in (embeddings.files, embeddings.predicted, embeddings.class_names)
    )
    with created(path) as stream:
        np.savez(
            stream, features=embeddings.features, labels=embeddings.labels, files=files, predicted=predicted,
            class_names=class_names,
        )  # fmt: skip


def write_projector(
    folder: Path, embeddings: Embeddings, sprite: np.ndarray, thumbnail: tuple[int, int], spherize: bool
) -> None:
    """Write what TensorBoard's projector reads in a run's folder, in place of what an earlier call wrote.

    Args:
        folder: where the run's events are.
        embeddings: what to show.
        sprite: uint8 ``[height, width, 3]``, the thumbnails in the order of the features, row by row.
        thumbnail: width and height of one.
        spherize: list the features a second time, :func:`spherized`.

    Raises:
        OSError: when a file cannot be written.
    """
    kinds = {"features": embeddings.features}
    if spherize:
        kinds["features_spherized"] = spherized(embeddings.features)
    for name, features in kinds.items():
        stream = io.StringIO()
        np.savetxt(stream, features, fmt="%.6g", delimiter="\t")
        write_text(folder / FOLDER / f"{name}.tsv", stream.getvalue())
    rows = [("class", "predicted", "correct", "file")]
    right = ("yes" if correct else "no" for correct in embeddings.correct)
    rows += zip(embeddings.label_names, embeddings.predicted, right, embeddings.files, strict=True)
    metadata = "".join("\t".join(" ".join(cell.split()) or "none" for cell in row) + "\n" for row in rows)
    write_text(folder / FOLDER / "metadata.tsv", metadata)
    with created(folder / FOLDER / "sprite.png") as file:
        Image.fromarray(sprite).save(file, "PNG")
    write_text(folder / CONFIG, "".join(_entry(name, thumbnail) for name in kinds))


def _entry(name: str, thumbnail: tuple[int, int]) -> str:
    return (
        "embeddings {\n"
        f'  tensor_name: "{name}"\n'
        f'  tensor_path: "{FOLDER}/{name}.tsv"\n'
        f'  metadata_path: "{FOLDER}/metadata.tsv"\n'
        "  sprite {\n"
        f'    image_path: "{FOLDER}/sprite.png"\n'
        f"    single_image_dim: {thumbnail[0]}\n"
        f"    single_image_dim: {thumbnail[1]}\n"
        "  }\n"
        "}\n"
    )


LARGEST = 8192  # pixels of a side, the projector's limit
SMALLEST_THUMBNAIL = 8


def draw_sprite(images: np.ndarray, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Put images into a square grid, row by row.

    Args:
        images: uint8 ``[n, H, W, 3]``.
        side: longer side of a thumbnail in pixels; less where the whole would exceed 8192.

    Returns:
        uint8 ``[height, width, 3]``, and width and height of a thumbnail.

    Raises:
        UserError: for so many images that a thumbnail has fewer than 8 pixels.
    """
    in_row = int(np.ceil(np.sqrt(len(images))))
    side = min(side, LARGEST // in_row)
    if side < SMALLEST_THUMBNAIL:
        raise UserError(f"{len(images):,} thumbnails do not fit into an image of {LARGEST} pixels.")
    height, width = images.shape[1:3]
    size = max(1, round(side * width / max(height, width))), max(1, round(side * height / max(height, width)))
    sheet = Image.new("RGB", (in_row * size[0], in_row * size[1]), "white")
    for number, image in enumerate(images):
        small = Image.fromarray(image).resize(size, Image.Resampling.BOX)
        sheet.paste(small, (number % in_row * size[0], number // in_row * size[1]))
    return np.asarray(sheet), size
