"""Keep in the run folder and in every checkpoint what is needed to understand and repeat the run."""

import time
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.checkpoints.files import RUN
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.utils.files import write_bytes, write_json, write_text, writing
from eurosat_cls.utils.limits import SECONDS, SETTINGS, checked, read_bytes, read_json
from eurosat_cls.utils.machine import cpu_name


class RunMetadata(Callback):
    """Write ``config.yaml`` and ``environment.json`` into the run folder when a training starts.

    After every epoch the latter gets what the training has taken: ``training`` with epochs, seconds (those before an
    interruption too), device, and how many of the training patches an epoch sees.

    Every checkpoint gets the same under ``run``, with the seed, the metrics at that time and the parameters of each
    part, all as plain data: ``python -m eurosat_cls describe CHECKPOINT`` shows it.

    A configuration that is there already and differs (of the run that is being continued) is kept as
    ``config.1.yaml``, ``config.2.yaml`` and so on.

    Args:
        folder: the run folder.
        config: the full configuration as YAML.
        environment: versions, hardware, and the execution that ``auto`` became.
    """

    def __init__(self, folder: Path, config: str, environment: dict[str, Any]) -> None:
        self.folder, self.config, self.environment = folder, config, environment
        self._settings: dict[str, Any] = yaml.load(config, Loader=_PlainLoader)
        self._start = 0.0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write both files."""
        if stage != "fit" or not trainer.is_global_zero or getattr(trainer, "fast_dev_run", False):
            return
        path = self.folder / "config.yaml"
        before = read_bytes(path, SETTINGS) if path.is_file() else self.config.encode()
        if before != self.config.encode():
            number = 1
            while (former := self.folder / f"config.{number}.yaml").exists():
                number += 1
            write_bytes(former, before)
        write_text(path, self.config)
        path = self.folder / "environment.json"
        taken = checked(read_json(path), {"training": {"seconds": SECONDS}}, str(path))
        self._start = time.monotonic() - taken.get("training", {}).get("seconds", 0.0)
        write_json(path, self.environment)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what the training has taken so far."""
        if not trainer.is_global_zero or getattr(trainer, "fast_dev_run", False):
            return
        device, data = trainer.strategy.root_device, trainer.datamodule  # type: ignore[attr-defined]
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
        seconds = round(time.monotonic() - self._start, 1)
        training = {"epochs": trainer.current_epoch + 1, "seconds": seconds, "device": name}
        if isinstance(data, PatchDataModule):
            batches = int(trainer.num_training_batches)
            seen = data.batch_size * trainer.world_size * batches
            # Each epoch leaves out other patches where the last batch is not full.
            whole = batches == data.train_batches
            training |= {"patches": data.train_patches if whole else seen, "of": data.train_available}
        path = self.folder / "environment.json"
        with writing(path, optional=True):
            write_json(path, {**self.environment, "training": {**training, "processes": trainer.world_size}})

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep in a checkpoint what its run was."""
        measured = trainer.callback_metrics.items()
        # Speed is left out: of two equal trainings the checkpoints are equal.
        metrics = {name: float(value) for name, value in measured if not name.endswith("images_per_second")}
        parts = {name: sum(p.numel() for p in part.parameters()) for name, part in pl_module.named_children()}
        about = {key: value for key, value in self.environment.items() if key in ("versions", "git", "data")}
        checkpoint[RUN] = {
            "config": {key: value for key, value in self._settings.items() if key != "ckpt_path"},
            "seed": self._settings.get("seed_everything"),
            **about,
            "metrics": dict(sorted(metrics.items())),
            **_validated(trainer),
            "parameters": {name: count for name, count in parts.items() if count},
        }


def _validated(trainer: Trainer) -> dict[str, str]:
    """What the metrics are of, where a limit leaves patches out."""
    data = getattr(trainer, "datamodule", None)
    scored, of = data.scored("val") if isinstance(data, PatchDataModule) else (0, 0)
    return {"validated": f"{scored:,} of {of:,} patches"} if scored < of else {}


class _PlainLoader(yaml.SafeLoader):
    """Reads YAML without dates, which are no plain data to a checkpoint."""

    yaml_implicit_resolvers = {
        letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
