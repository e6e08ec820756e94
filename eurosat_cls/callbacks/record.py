"""Keep in the run folder what is needed to understand and repeat the run."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.files import write_json, write_text


class RunRecord(Callback):
    """Write ``config.yaml`` and ``environment.json`` into the run folder when a training starts.

    A configuration that is there already and differs (of the run that is being continued) is kept as
    ``config.1.yaml``, ``config.2.yaml`` and so on.

    Args:
        folder: the run folder.
        config: the full configuration as YAML.
        environment: versions, hardware, and the execution that ``auto`` became.
    """

    def __init__(self, folder: Path, config: str, environment: dict[str, Any]) -> None:
        self.folder, self.config, self.environment = folder, config, environment

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write both files."""
        if stage != "fit" or not trainer.is_global_zero or getattr(trainer, "fast_dev_run", False):
            return
        path = self.folder / "config.yaml"
        if path.is_file() and path.read_text(encoding="utf-8") != self.config:
            number = 1
            while (former := self.folder / f"config.{number}.yaml").exists():
                number += 1
            write_text(former, path.read_text(encoding="utf-8"))
        write_text(path, self.config)
        write_json(self.folder / "environment.json", self.environment)
