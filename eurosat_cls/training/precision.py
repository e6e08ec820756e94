"""Which precisions a device computes in."""

from typing import Any

import torch

from eurosat_cls.utils.errors import UserError


def device_of(accelerator: str) -> torch.device:
    """The device that a Lightning accelerator name will choose.

    Raises:
        UserError: for one that this machine does not have.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda")
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    if accelerator in ("gpu", "cuda", "mps"):
        raise UserError(f"trainer.accelerator: {accelerator}: torch finds no such device here; take cpu, or auto.")
    return torch.device("cpu")


def supports_bf16(device: torch.device) -> bool:
    """Whether bfloat16 runs on the device's own units rather than being imitated slowly."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def can_run(precision: str | None, device: torch.device) -> bool:
    """Whether the device computes in this precision."""
    return precision is not None and (not precision.startswith("bf16") or supports_bf16(device))


def check_precision(precision: Any, device: torch.device) -> None:
    """Refuse bfloat16 where it is only imitated, and weights of half precision, which raw values do not fit.

    Raises:
        UserError: naming the way out.
    """
    if str(precision) in ("16-true", "bf16-true"):
        mixed = str(precision).replace("true", "mixed")
        raise UserError(
            f"trainer.precision: {precision} is not supported, as patches are normalised in float32: {mixed}."
        )
    if not can_run(str(precision), device):
        raise UserError(
            f"trainer.precision: {precision} was asked for, but this {device.type} has no bfloat16 units. "
            "Use 32-true, or auto."
        )
