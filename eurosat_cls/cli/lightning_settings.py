"""What LightningCLI is told once for all commands."""

from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule

from eurosat_cls.config.parser import Parser
from eurosat_cls.training.trainer import Trainer

SETTINGS: dict[str, Any] = {
    "parser_kwargs": {"prog": "eurosat_cls"},
    "model_class": LightningModule,
    "datamodule_class": LightningDataModule,
    "subclass_mode_model": True,
    "subclass_mode_data": True,
    "trainer_class": Trainer,
    "parser_class": Parser,
    "save_config_callback": None,
    "seed_everything_default": 0,
    "auto_configure_optimizers": False,
    "load_from_checkpoint_support": False,
}
