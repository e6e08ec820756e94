"""Options that say what the values of other images than the training's are, and how sure answers have to be."""

from typing import Any, Optional

from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LightningArgumentParser

from eurosat_cls.data.unit import UnitName
from eurosat_cls.models.base import PatchModule
from eurosat_cls.models.classifier import Classifier

COMMANDS = ("validate", "test", "predict")


def add_input_options(parser: LightningArgumentParser) -> None:
    """Add ``--unit`` and ``--stretch`` to the parser of a command."""
    parser.add_argument(
        "--unit", type=Optional[UnitName], default=None,
        help="What the values of other images than the training's are: as in the training (raw), 10,000 times the "
        "reflectance (dn), or reflectances of 0 to 1. By default that follows from their dtype and range.",
    )  # fmt: skip
    parser.add_argument(
        "--stretch", type=Optional[tuple[float, float]], default=None,
        help="LOW HIGH: values of 10,000 times the reflectance that were 0 and 255 in the training's 8-bit images.",
    )  # fmt: skip


def add_evidence_options(parser: LightningArgumentParser, command: str) -> None:
    """Add ``--error_rate`` to the parser of ``test``, and it and ``--min_familiarity`` to that of ``predict``."""
    if command in ("test", "predict"):
        parser.add_argument(
            "--error_rate", type=Optional[float], default=None,
            help="Give each patch the set of classes that lacks the true one in this share of cases, e.g. 0.05.",
        )  # fmt: skip
    if command == "predict":
        parser.add_argument(
            "--min_familiarity", type=Optional[float], default=None,
            help="Call patches unfamiliar whose features are so unlike those of the training, e.g. 0.01.",
        )  # fmt: skip


def apply_input_options(config: Any, model: LightningModule) -> None:
    """Hand to a model what the configuration of a command says of its input."""
    if isinstance(model, PatchModule):
        model.input_check.begin(config.unit, config.stretch)
    if isinstance(model, Classifier):
        model.error_rate, model.min_familiarity = config.get("error_rate"), config.get("min_familiarity")
