"""Write predictions to a file while they are made."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from eurosat_cls.analysis.places import write_geojson
from eurosat_cls.data.batch import Batch
from eurosat_cls.utils.distributed import gather_objects
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import csv_text, writing


class PredictionWriter(BasePredictionWriter):
    """Write CSV files: of each patch what the model has to say, for a classifier its class and probabilities.

    Rows go to a file beside, with ``.part`` in its name, batch by batch; when all are written it is renamed, so that an
    earlier file stays whole until then and a file of the final name is never half of one. With several processes the
    first one writes what all have to say, in the order of the data. Where patches have places, each table is
    written as polygons too, as GeoJSON.

    Args:
        paths: the CSV files.
        path_of: which of them the row of a patch goes to, by the file of the patch.
    """

    def __init__(self, paths: Sequence[Path], path_of: Callable[[str], int] = lambda file: 0) -> None:
        super().__init__(write_interval="batch")
        self.paths, self.path_of = list(paths), path_of
        self.rows = [0] * len(self.paths)
        self._files: list[IO[str]] = []

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the files and write their headers."""
        if not trainer.is_global_zero:
            return
        for path in self.paths:
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(path.name + ".part")
                self._files.append(part.open("w", newline="", encoding="utf-8", errors="backslashreplace"))
        head = csv_text([["file", *pl_module.prediction_columns()]])  # type: ignore[operator]
        for file in self._files:
            file.write(head)

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Tensor,
        batch_indices: Sequence[int] | None,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write one row for each patch of the batch."""
        rows = pl_module.prediction_rows(prediction)  # type: ignore[operator]
        files = trainer.datamodule.files(batch.indices.tolist())  # type: ignore[attr-defined]
        lines = [[file, *row] for file, row in zip(files, rows, strict=True)]
        # The batches of one step follow each other by rank.
        lines = [line for part in gather_objects(lines, trainer.world_size) for line in part]
        if not self._files:
            return
        for line in lines:
            number = self.path_of(str(line[0]))
            self._files[number].write(csv_text([line]))
            self.rows[number] += 1
        for file in self._files:
            file.flush()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the finished files their names."""
        for file, path, rows in zip(self._files, self.paths, self.rows, strict=False):
            os.fsync(file.fileno())
            file.close()
            os.replace(file.name, path)
            print(f"{rows} predictions in {path}")
            write_polygons(path, trainer)
        self._files = []

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close what was written so far; it stays as ``.part``."""
        for file in self._files:
            file.close()
        self._files = []


def write_polygons(table: Path, trainer: Trainer) -> None:
    """Write a table of predictions as polygons too, where patches have places; say in a line what came of it."""
    try:
        if path := write_geojson(table, trainer.datamodule):  # type: ignore[attr-defined]
            print(f"the same as polygons in {path}")
    except UserError as error:
        print(f"no polygons of the predictions: {error}")
