"""Lightning's Trainer with safe checkpoints and a precision that follows the machine."""

from typing import Any, Literal

import torch
from lightning.fabric.connector import _PRECISION_INPUT  # type: ignore[attr-defined]
from lightning.pytorch import Trainer as LightningTrainer

from eurosat_cls.checkpoints import SafeCheckpointIO
from eurosat_cls.machine import check_precision, device_of, supports_bf16


class Trainer(LightningTrainer):
    """Lightning's Trainer; its methods are the subcommands of the command line.

    Checkpoints are written whole or not at all, and read with ``weights_only=True`` only.

    Args:
        accelerator: as Lightning's.
        precision: as Lightning's, or ``auto``. The command line measures what ``auto`` should be; used by hand it is
            bf16-mixed where the device computes in bfloat16, else 32-true.
        plugins: as Lightning's; the safe checkpoint plugin is added.
        kwargs: everything else as Lightning's.

    Raises:
        UserError: when bfloat16 is asked for on a device that has none.
    """

    def __init__(
        self,
        *,
        accelerator: str = "auto",
        precision: Literal["auto"] | _PRECISION_INPUT | None = "auto",
        plugins: Any = None,
        **kwargs: Any,
    ) -> None:
        device = device_of(accelerator) if isinstance(accelerator, str) else torch.device("cpu")
        if precision == "auto":
            precision = "bf16-mixed" if supports_bf16(device) else "32-true"
        check_precision(precision, device)
        given = plugins if isinstance(plugins, list) else [plugins] if plugins is not None else []
        super().__init__(accelerator=accelerator, precision=precision, plugins=[*given, SafeCheckpointIO()], **kwargs)
