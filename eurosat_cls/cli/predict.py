"""What ``predict`` reads besides the data of a configuration, and where it writes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import jsonargparse
from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import LightningArgumentParser

from eurosat_cls.callbacks import PredictionWriter
from eurosat_cls.checkpoints.files import saved_configuration
from eurosat_cls.config.differences import differences
from eurosat_cls.data.images import ImageFiles, arguments_for
from eurosat_cls.utils.names import own_name

_SAME_DATA = ("predict_split", "batch_size", "on_error", "augment")  # settings that do not make the data others


def add_image_options(parser: LightningArgumentParser) -> None:
    """Add ``--images`` and ``--output`` to the parser of ``predict``."""
    what = "Folders, patterns or files of images to predict on instead of the data, as often as needed."
    parser.add_argument("--images", type=Optional[list[str] | str], default=None, help=what)
    what = "CSV file for all predictions, or a folder; by default a file for each source in the run folder."
    parser.add_argument("--output", type=Optional[str], default=None, help=what)


def images_of(config: Any, checkpoint: dict[str, Any]) -> Any:
    """Return the configuration of a data module for the images that were named, instead of that of the data."""
    given = config.data.init_args
    init = arguments_for(config.images, checkpoint, config.ckpt_path)
    init |= {"batch_size": given.get("batch_size", 128), "on_error": given.get("on_error", "raise")}
    init["nodata"] = given.get("nodata", "error")
    class_path = f"{ImageFiles.__module__}.{ImageFiles.__qualname__}"
    # jsonargparse leaves its Namespace untyped
    return jsonargparse.Namespace(class_path=class_path, init_args=jsonargparse.Namespace(init))  # type: ignore[no-untyped-call]


def prediction_writer(
    data: LightningDataModule,
    folder: Path,
    output: str | None,
    checkpoint: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
) -> PredictionWriter:
    """Return what writes the predictions: those of the run's own data into ``predictions.csv``, others beside it.

    Args:
        data: what is predicted on.
        folder: of the run.
        output: CSV file for all, or another folder.
        checkpoint: of the model.
        settings: the present configuration.
    """
    if output is not None and output.lower().endswith(".csv"):
        return PredictionWriter([Path(output).expanduser()])
    folder = folder if output is None else Path(output).expanduser()
    if isinstance(data, ImageFiles):
        names = [own_name(source.name, source.identity) for source in data.sources]
        return PredictionWriter([folder / f"predictions_{name}.csv" for name in names], data.source_of)
    kept = saved_configuration(checkpoint or {}).get("data")
    others = [(each.key, each.ours) for each in differences(kept, settings["data"]) if kept]
    others = [(key, value) for key, value in others if key.rpartition(".")[2] not in _SAME_DATA]
    name = f"predictions_{own_name('data', str(others))}.csv" if others else "predictions.csv"
    return PredictionWriter([folder / name])
