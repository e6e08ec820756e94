"""Say when a checkpoint meets another split of the data than the one it was trained on."""

from collections.abc import Mapping
from typing import Any

from eurosat_cls.data.splits import Split
from eurosat_cls.utils.distributed import rank_zero_print
from eurosat_cls.utils.errors import UserError


def split_of(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a data module, of whatever class, left of its split in a checkpoint; empty where none did."""
    kept = (value for value in checkpoint.values() if isinstance(value, Mapping) and "split_sha256" in value)
    return next(kept, {})


def check_split(saved: Mapping[str, Any], split: Split, path: str, resuming: bool) -> None:
    """Compare the split that the data module ``saved`` in a checkpoint with that of the data at hand.

    Where the checkpoint is scored instead of resumed, a warning is printed.

    Raises:
        UserError: when a training is to be continued on another split.
    """
    if saved.get("split_sha256") in (None, split.sha256):
        return
    theirs, ours = str(saved.get("split_method", "unknown")), split.method
    trained = f"{path} was trained on another split of the data ({_name(theirs, saved['split_sha256'])})"
    this = f"this one ({_name(ours, split.sha256)})"
    if resuming:
        raise UserError(f"{trained} than {this}; continue it with the same split and data.")
    message = f"{trained} than {this}: patches scored now may be ones it has seen."
    if "unknown" not in theirs and ("spatial" in theirs) != ("spatial" in ours):
        # Counted on the published lists of EuroSAT (Neumann et al. 2019; spatial: torchgeo).
        message += (
            " A random and a spatial split are mixed: most patches may have been seen in training, as 80.8 % of "
            "EuroSAT's official spatial test images are in its official random train and val lists. Do not report this."
        )
    rank_zero_print(f"warning: {message}")


def _name(method: str, sha256: str) -> str:
    return f"{method}, SHA-256 {sha256[:12]}..."
