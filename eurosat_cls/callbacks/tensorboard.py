"""What TensorBoard says of a run besides its curves: a text, and its row among the hyper-parameters of all runs."""

from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.tensorboard.summary import hparams

from eurosat_cls.callbacks.run_folder import tensorboards

SETTINGS = ("seed_everything", "model.", "data.", "trainer.max_epochs", "trainer.precision")
_LONGEST = 60  # letters of a value


class TensorBoardText(Callback):
    """Log the configuration as text, and the run as one of the HParams tab with the metrics that it logs anyway.

    No further run appears in TensorBoard: what is written belongs to the run itself.

    Args:
        config: the whole configuration.
        about: further lines by name: data, split, versions.

    Attributes:
        settings: prefixes of the settings by which runs are compared.
    """

    def __init__(self, config: dict[str, Any], about: dict[str, str]) -> None:
        self.config, self.about = config, about
        self.settings: tuple[str, ...] = SETTINGS

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write both, for a training that begins."""
        loggers = tensorboards(trainer)
        if not trainer.is_global_zero or trainer.ckpt_path or not loggers:
            return
        parameters = sum(p.numel() for p in pl_module.parameters())
        lines = {"parameters": f"{parameters:,}", **self.about}
        table = "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in lines.items())])
        settings = yaml.safe_dump(self.config, sort_keys=False)
        indented = "\n".join(f"    {line}" for line in settings.splitlines())
        for logger in loggers:
            logger.experiment.add_text("run", f"{table}\n\n{indented}")
            # Without a list of settings of its own, as that of one run would hide those of the others.
            _, start, _ = hparams(plain_settings(self.config, self.settings), {})  # type: ignore[no-untyped-call]
            logger.experiment._get_file_writer().add_summary(start)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Mark the run as finished."""
        for logger in tensorboards(trainer):
            if trainer.is_global_zero:
                *_, end = hparams({}, {})  # type: ignore[no-untyped-call]
                logger.experiment._get_file_writer().add_summary(end)


def plain_settings(config: dict[str, Any], settings: tuple[str, ...] = SETTINGS) -> dict[str, bool | float | str]:
    """Return what runs may differ in, by dotted key without the parts that say nothing.

    Args:
        config: nested settings.
        settings: prefixes of the keys that are kept.

    Example:
        >>> encoder = {"class_path": "eurosat_cls.encoders.ResNet", "init_args": {"stem_stride": 2}}
        >>> plain_settings({"model": {"class_path": "Classifier", "init_args": {"encoder": encoder}}})
        {'model': 'Classifier', 'model.encoder': 'ResNet', 'model.encoder.stem_stride': 2}
    """
    found: dict[str, bool | float | str] = {}
    _collect(config, "", found)
    return {key: value for key, value in found.items() if (key + ".").startswith(settings)}


def _collect(value: Any, key: str, found: dict[str, bool | float | str]) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "class_path":
                found[key] = str(item).rpartition(".")[2]
            else:
                _collect(item, key if name == "init_args" else f"{key}.{name}".strip("."), found)
    elif isinstance(value, list):
        found[key] = ", ".join(_name(item) for item in value)[:_LONGEST]
    elif isinstance(value, (bool, int, float)):
        found[key] = value
    elif value is not None:
        found[key] = str(value)[:_LONGEST]


def _name(item: Any) -> str:
    return str(item["class_path"]).rpartition(".")[2] if isinstance(item, dict) and "class_path" in item else str(item)
