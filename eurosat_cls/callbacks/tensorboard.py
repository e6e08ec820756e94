"""What TensorBoard says of a run besides its curves: a text, and its row among the hyper-parameters of all runs."""

from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.tensorboard.summary import hparams

from eurosat_cls.callbacks.run_folder import tensorboards
from eurosat_cls.config.differences import class_name, flatten
from eurosat_cls.utils.lightning_private import add_summary

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
            add_summary(logger, start)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Mark the run as finished."""
        for logger in tensorboards(trainer):
            if trainer.is_global_zero:
                *_, end = hparams({}, {})  # type: ignore[no-untyped-call]
                add_summary(logger, end)


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
    for path, value in flatten(config).items():
        key = ".".join(part for part in path.split(".") if part not in ("init_args", "class_path"))
        if value not in (None, {}) and f"{key}.".startswith(settings):
            found[key] = str(value).rpartition(".")[2] if path.endswith(".class_path") else _plain(value)
    return found


def _plain(value: Any) -> bool | float | str:
    if isinstance(value, (bool, int, float)):
        return value
    items = [str(class_name(item) or item) for item in value] if isinstance(value, list) else [str(value)]
    return ", ".join(items)[:_LONGEST]
