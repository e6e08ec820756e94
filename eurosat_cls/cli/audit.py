"""The command ``audit``: which labels are probably wrong."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eurosat_cls.analysis.label_errors import Suspects, find_suspects
from eurosat_cls.analysis.out_of_fold import OutOfFold, read_answers
from eurosat_cls.analysis.report.gallery import Card, write_gallery
from eurosat_cls.cli.configuration import Building
from eurosat_cls.data.corrections import digest_of_labels
from eurosat_cls.data.module import PatchDataModule, require_patches
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import csv_text, write_text, writing

COLUMNS = ("file", "given", "suggested", "p_given", "p_suggested", "margin", "agreeing", "verdict")


def audit(runs: Sequence[Path], output: Path, options: Sequence[str]) -> list[str]:
    """Write ``suggestions.csv`` and ``gallery.html`` about the labels that the tests of these runs doubt.

    Args:
        runs: run folders, and folders of ``search --folds``.
        output: folder of both files.
        options: further arguments for the runs' configuration, such as another ``--data.init_args.root``.

    Returns:
        Lines about what was found.

    Raises:
        UserError: as :func:`~eurosat_cls.analysis.out_of_fold.read_answers`, and for data that are not the runs'.
    """
    answers = read_answers(runs)
    config = str(answers.run / "config.yaml")
    data = require_patches(Building(["summary", "--config", config, *options], ("summary",)).datamodule, "audit")
    rows = _rows_in(data, answers)
    mean = answers.mean
    suspects = find_suspects(answers.given, mean)
    agreeing = answers.agreeing(_everywhere(suspects, answers))
    cards = [
        Card(
            answers.files[row],
            answers.class_names[answers.given[row]],
            answers.class_names[suggested],
            float(mean[row, answers.given[row]]),
            float(mean[row, suggested]),
            float(margin),
            int(agreeing[row]),
        )
        for row, suggested, margin in zip(*suspects, strict=True)
    ]
    table = output / "suggestions.csv"
    with writing(table):
        write_text(table, csv_text([COLUMNS, *([*card.cells(), ""] for card in cards)]))
    images = data.read(rows[suspects.rows]) if cards else np.zeros((0, *data.patch_shape), np.uint8)
    page = output / "gallery.html"
    seeds = answers.probabilities.shape[1]
    about = f"{len(answers.files):,} patches, {seeds} {'seed' if seeds == 1 else 'seeds'}, {data.store.source}"
    write_gallery(page, cards, images, data.bands, answers.class_names, about)
    left = "" if len(answers.files) == len(data.store.files) else f" of {len(data.store.files):,}; the others have none"
    return [
        f"{len(answers.files):,} patches have answers{left}",
        f"{len(cards):,} labels are doubted ({len(cards) / len(answers.files):.2%})",
        f"written: {table} {page}",
    ]


def _everywhere(suspects: Suspects, answers: OutOfFold) -> np.ndarray:
    """The suggested class of each patch, and the given one where none is suggested."""
    classes: np.ndarray = answers.given.copy()
    classes[suspects.rows] = suspects.suggested
    return classes


def _rows_in(data: PatchDataModule, answers: OutOfFold) -> np.ndarray:
    """Return where the patches are in the store, ``[N]``."""
    store = data.store
    labels = None if data.labels is None else digest_of_labels(store)
    if (answers.fingerprint or store.fingerprint, answers.labels) != (store.fingerprint, labels):
        raise UserError(f"{answers.run}: {store.source} or its labels are not what the runs were tested on.")
    position = {file: row for row, file in enumerate(store.files)}
    if lost := [file for file in answers.files if file not in position]:
        raise UserError(f"{answers.run}: {store.source} lacks {len(lost):,} of the tested patches, such as {lost[0]}.")
    return np.array([position[file] for file in answers.files], dtype=np.int64)
