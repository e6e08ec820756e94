"""Say when a training goes on as another one than it was."""

from collections.abc import Mapping
from typing import Any

from eurosat_cls.utils.distributed import rank_zero_print

_NAMES = {"seed": "seed (seed_everything)", "global_batch": "patches of a step", "labels": "corrections (data.labels)"}


def print_changes(kept: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare what a data module left in a checkpoint with its state now, and print a warning for each difference."""
    if kept.get("fingerprint", now["fingerprint"]) != now["fingerprint"]:
        rank_zero_print(
            f"warning: data: {now['source']} is not what the checkpoint was trained on ({kept['source']}), or it has "
            "changed since."
        )
    for key, name in _NAMES.items():
        theirs, ours = kept.get(key, None if key == "labels" else now[key]), now.get(key)
        if theirs != ours:
            rank_zero_print(f"warning: {name}: {theirs} in the checkpoint, {ours} now; that makes it another training.")
