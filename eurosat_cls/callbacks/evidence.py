"""What a training adds to its checkpoints at the end: statistics that say whether to believe an answer."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.callbacks.checkpoints import Checkpoints
from eurosat_cls.checkpoints.files import SafeCheckpointIO, read_checkpoint
from eurosat_cls.checkpoints.portable import EVIDENCE
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.classifier import CLASS_WEIGHTS, Classifier
from eurosat_cls.models.evidence import Evidence
from eurosat_cls.models.evidence_fit import fit_evidence


class KeepEvidence(Callback):
    """When a training of a classifier ends, add :class:`~eurosat_cls.models.evidence.Evidence` to its checkpoints.

    It takes one pass over training and validation patches for each of ``best.ckpt`` and ``last.ckpt`` that is of
    another step. Weights, and what is drawn at random, stay as they are.
    """

    _trained = False

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rewrite the checkpoints; each stays whole until the new one is."""
        self._trained = True
        self._add(trainer, pl_module, anew=True)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make up for a training that was killed in between, and has nothing left to train."""
        if not self._trained:
            self._add(trainer, pl_module, anew=False)

    def _add(self, trainer: Trainer, pl_module: LightningModule, anew: bool) -> None:
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, Classifier) or not isinstance(data, PatchDataModule):
            return
        if not trainer.is_global_zero or getattr(trainer, "fast_dev_run", False):
            return
        kept = {name: tensor.clone() for name, tensor in pl_module.state_dict().items()}
        made: dict[Any, Evidence | None] = {}
        for file in _checkpoints(trainer):
            checkpoint = read_checkpoint(file)
            if not anew and EVIDENCE in checkpoint:
                continue
            step = checkpoint.get("global_step")
            if step not in made:
                theirs = {name: t for name, t in checkpoint["state_dict"].items() if name not in CLASS_WEIGHTS}
                pl_module.load_state_dict({**kept, **theirs})
                made[step] = fit_evidence(pl_module, data, trainer.precision_plugin.forward_context)
            if (evidence := made[step]) is not None:
                SafeCheckpointIO().save_checkpoint({**checkpoint, EVIDENCE: evidence.plain()}, file)
        pl_module.load_state_dict(kept)


def _checkpoints(trainer: Trainer) -> list[Path]:
    """Checkpoints that this training has written."""
    found = []
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Checkpoints):
            folder = callback.folder(trainer)
            names = ["last.ckpt"] if callback.best_score is None else ["best.ckpt", "last.ckpt"]
            found += [folder / name for name in names if (folder / name).is_file()]
    return found
