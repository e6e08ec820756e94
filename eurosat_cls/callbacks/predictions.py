"""Write predictions to a file while they are made."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from eurosat_cls.analysis.places import write_geojson
from eurosat_cls.data.batch import Batch
from eurosat_cls.utils.distributed import gather_objects
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import created, csv_text, writing


class PredictionWriter(BasePredictionWriter):
    """Write CSV files: of each patch what the model has to say, for a classifier its class and probabilities.

    Rows go to new files beside, batch by batch, which replace earlier ones when all are written; files of a prediction
    that ends before are removed. With several processes the
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
        self._open = ExitStack()
        self._files: list[BinaryIO] = []

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the files and write their headers."""
        if not trainer.is_global_zero:
            return
        for path in self.paths:
            with writing(path):
                self._files.append(self._open.enter_context(created(path)))
        head = csv_text([["file", *pl_module.prediction_columns()]])  # type: ignore[operator]
        for file in self._files:
            file.write(head.encode("utf-8", "backslashreplace"))

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
            self._files[number].write(csv_text([line]).encode("utf-8", "backslashreplace"))
            self.rows[number] += 1

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the finished files their names."""
        self._open.close()
        for _, path, rows in zip(self._files, self.paths, self.rows, strict=False):
            print(f"{rows} predictions in {path}")
            write_polygons(path, trainer)
        self._files = []

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove what was written so far."""
        self._open.__exit__(type(exception), exception, None)
        self._files = []


def write_polygons(table: Path, trainer: Trainer) -> None:
    """Write a table of predictions as polygons too, where patches have places; say in a line what came of it."""
    try:
        if path := write_geojson(table, trainer.datamodule):  # type: ignore[attr-defined]
            print(f"the same as polygons in {path}")
    except UserError as error:
        print(f"no polygons of the predictions: {error}")
