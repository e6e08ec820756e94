"""Whether a checkpoint holds the network that a configuration describes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule
from torch import nn

from eurosat_cls.config.differences import differences
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.text import class_label

LISTED = 8  # differences that an error names
NO_FORM = ("drop", "pretrained")  # in names of arguments that leave a trained network's form as it is


def check_fits(checkpoint: dict[str, Any], model: LightningModule, path: str | Path) -> None:
    """Refuse a checkpoint of other classes, bands or layers than the model's.

    Raises:
        UserError: naming the first differences.
    """
    theirs = checkpoint.get("hyper_parameters", {})
    for key in ("class_names", "bands"):
        ours = getattr(model, key, None)
        if ours is not None and key in theirs and [*map(class_label, theirs[key])] != [*map(class_label, ours)]:
            raise UserError(f"{path} was trained on other {key.replace('_', ' ')}: {_differences(theirs[key], ours)}.")
    settings = _setting_differences(theirs, getattr(model, "hparams", {}))
    layers = _layer_differences(checkpoint["state_dict"], model)
    if layers or settings:
        listed = [*settings, *layers]
        more = f"; and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
        shown = "; ".join(listed[:LISTED]) + more
        raise UserError(f"{path} holds another network than the configuration describes: {shown}.")


def _differences(theirs: list[str], ours: list[str]) -> str:
    if sorted(theirs) == sorted(ours):
        return "the same ones in another order"
    gone = [name for name in theirs if name not in ours]
    new = [name for name in ours if name not in theirs]
    parts = [f"the checkpoint has {len(theirs)}, the data {len(ours)}"]
    parts += [f"only in the checkpoint: {', '.join(gone[:4])}"] if gone else []
    parts += [f"only in the data: {', '.join(new[:4])}"] if new else []
    return "; ".join(parts)


def _setting_differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Settings of the network's parts that differ, as far as both are known.

    Layers of the same shapes may still be another network's: of another stride, activation or number of heads.
    """
    parts = [part for part in ("encoder", "decoder", "indices", "task") if part in theirs and part in ours]
    found = [each for part in parts for each in differences(theirs[part], ours[part], f"model.{part}")]
    # Classes of one name in other modules are those of another version of their package.
    return [
        str(each)
        for each in found
        if each.known and each.ours != "auto" and not any(word in each.key for word in (*NO_FORM, "class_path"))
    ]


def _layer_differences(state: dict[str, Any], model: nn.Module) -> list[str]:
    ours = model.state_dict()
    differences = [
        f"{key} is {list(state[key].shape)} there and {list(ours[key].shape)} here"
        for key in ours
        if key in state and state[key].shape != ours[key].shape
    ]
    needed = ours.keys() - set(getattr(model, "may_lack", ()))
    differences += [f"{key} is missing there" for key in ours if key in needed and key not in state]
    optional = getattr(model, "may_lack", ())
    return differences + [f"{key} exists only there" for key in state if key not in ours and key not in optional]
