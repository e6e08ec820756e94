"""Write predictions to a file while they are made."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from eurosat_cls.analysis.places import write_geojson
from eurosat_cls.data.batch import Batch
from eurosat_cls.utils.distributed import gather_objects
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import writing


class PredictionWriter(BasePredictionWriter):
    """Write ``predictions.csv``: of each file what the model has to say, for a classifier its class and probabilities.

    Rows go to ``predictions.csv.part`` batch by batch; when all are written it is renamed, so that an earlier file
    stays whole until then and a file of that final name is never half of one. With several processes the first one
    writes what all have to say, in the order of the data. Where patches have places, ``predictions.geojson`` has them
    as polygons too.

    Args:
        path: the CSV file.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(write_interval="batch")
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + ".part")
        self.rows = 0
        self._file: IO[str] | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the file and write its header."""
        if not trainer.is_global_zero:
            return
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.part.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(["file", *pl_module.prediction_columns()])  # type: ignore[operator]

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
        if self._file is not None:
            self._writer.writerows(lines)
            self._file.flush()
            self.rows += len(lines)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the finished file its name."""
        if self._file is None:
            return
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        os.replace(self.part, self.path)
        print(f"{self.rows} predictions in {self.path}")
        try:
            if path := write_geojson(self.path, trainer.datamodule):  # type: ignore[attr-defined]
                print(f"the same as polygons in {path}")
        except UserError as error:
            print(f"no polygons of the predictions: {error}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close what was written so far; it stays as ``.part``."""
        if self._file is not None:
            self._file.close()
            self._file = None
