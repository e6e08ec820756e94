"""The command ``upgrade``: bring the checkpoints of a run up to what checkpoints hold today."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule

from eurosat_cls.checkpoints.compatibility import check_fits
from eurosat_cls.checkpoints.files import SafeCheckpointIO, read_checkpoint
from eurosat_cls.checkpoints.portable import EVIDENCE
from eurosat_cls.cli.configuration import Building
from eurosat_cls.data.module import PatchDataModule, require_patches
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.evidence import Evidence
from eurosat_cls.models.evidence_fit import fit_evidence
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import replacing, writing

ADDED = ("unit", "input_statistics")


def upgrade(run: Path, options: Sequence[str]) -> list[str]:
    """Add to the checkpoints of a run what its own data say of their patches: unit, size and spread of their values.

    Each is written beside the former one, read back and compared with it, and renamed.

    Args:
        run: the run folder.
        options: further arguments for its configuration, such as another ``--data.init_args.root``.

    Returns:
        A line for each checkpoint.

    Raises:
        UserError: for a folder that is no run's, and data that are not those of the training.
    """
    config, files = run / "config.yaml", sorted(run.glob("checkpoints/*.ckpt"))
    if not config.is_file() or not files:
        raise UserError(f"{run}: not a run folder (config.yaml and checkpoints/*.ckpt).")
    building = Building(["summary", "--config", str(config), *options], ("summary",))
    data = require_patches(building.datamodule, "upgrade")
    return [_upgrade(file, data, building.model) for file in files]


def _upgrade(file: Path, data: PatchDataModule, model: LightningModule) -> str:
    checkpoint = read_checkpoint(file)
    saved = checkpoint.get("hyper_parameters", {})
    _check_data(file, saved, data)
    added = {name: getattr(data, name) for name in ADDED if not saved.get(name)}
    evidence = _evidence(file, checkpoint, data, model)
    if not added and not evidence:
        return f"{file}: up to date"
    size = {"patch_size": data.patch_shape[1]} if added else {}
    state = {type(data).__qualname__: {**checkpoint.get(type(data).__qualname__, {}), **size}}
    upgraded = {**checkpoint, **state, **evidence, "hyper_parameters": {**saved, **added}}
    with writing(file), replacing(file) as part:
        SafeCheckpointIO().save_checkpoint(upgraded, part)
        _compare(file, read_checkpoint(part), upgraded)
    named = [", ".join([*added, *size])] if added else []
    named += ["statistics of familiarity and error rates"] if evidence else []
    return f"{file}: {' added; '.join(named)} added"


def _evidence(file: Path, checkpoint: dict[str, Any], data: PatchDataModule, model: LightningModule) -> dict[str, Any]:
    """The statistics that a classifier's checkpoint lacks, found as at the end of its training."""
    if not isinstance(model, Classifier):
        return {}
    known = Evidence.checked(checkpoint[EVIDENCE], str(file)) if EVIDENCE in checkpoint else None
    if known is not None and (len(known.view_temperature) or not model.test_time_augmentation):
        return {}
    check_fits(checkpoint, model, file)
    model.load_state_dict(checkpoint["state_dict"])
    half = "bf16" in str(checkpoint.get("execution", {}).get("precision"))
    found = fit_evidence(model, data, lambda: torch.autocast("cpu", torch.bfloat16, enabled=half))
    return {} if found is None else {EVIDENCE: found.plain()}


def _check_data(file: Path, saved: Any, data: PatchDataModule) -> None:
    """Refuse data that the checkpoint was not trained on: the statistics of its patches would be others."""
    ours: dict[str, Any] = {"bands": data.bands, "mean": data.mean, "std": data.std}
    for name, value in ours.items():
        kept = saved.get(name)
        same = kept == value if name == "bands" else kept is not None and _close(kept, value)
        if not same:
            raise UserError(
                f"{file}: its {name} is {kept}, that of {data.store.source} {value}: these are not the patches that it "
                "was trained on, or they have changed; nothing was written."
            )


def _close(kept: Any, value: list[float]) -> bool:
    return np.shape(kept) == np.shape(value) and np.allclose(kept, value, rtol=1e-6, atol=1e-9)


def _compare(file: Path, written: dict[str, Any], expected: dict[str, Any]) -> None:
    """Make sure that what was written is the former checkpoint, and what was added."""
    weights, former = written["state_dict"], expected["state_dict"]
    whole = weights.keys() == former.keys() and all(torch.equal(weights[name], former[name]) for name in former)
    if not whole or written["hyper_parameters"] != expected["hyper_parameters"] or written.keys() != expected.keys():
        raise UserError(f"{file}: what was written does not read as it should; the former one is still there.")
