"""Averages of the weights over a training, which generalise better than the last weights or get there earlier."""

from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from eurosat_cls.utils.errors import UserError

RAW = "raw_state_dict"  # where a checkpoint keeps the weights that were not averaged


class WeightAverage(Callback):
    """Keep an average of the weights beside them; validate, test and predict with the average.

    Checkpoints hold the averaged weights as ``state_dict``, which is what every later use loads, and the raw ones as
    ``raw_state_dict``, from which a training goes on. Statistics of batch normalisation are averaged alike.

    Args:
        kind: ``ema`` is an exponential moving average over steps; ``swa`` the plain mean over the ends of epochs.
        decay: share of the average that is kept at every step of an ``ema``; in its first steps less, so that the
            random start is forgotten.
        start_epoch: epoch, from 0, in which averaging begins; until then the average is the raw weights.

    Raises:
        UserError: for a decay outside (0, 1) or a negative epoch.

    Source: Polyak and Juditsky 1992; the warm-up of the decay is TensorFlow's ``ExponentialMovingAverage``; Izmailov et
    al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018.
    """

    def __init__(self, kind: Literal["ema", "swa"] = "ema", decay: float = 0.998, start_epoch: int = 0) -> None:
        if not 0 < decay < 1:
            raise UserError(f"WeightAverage: decay must be between 0 and 1, got {decay}.")
        if start_epoch < 0:
            raise UserError(f"WeightAverage: start_epoch must be at least 0, got {start_epoch}.")
        self.kind, self.decay, self.start_epoch = kind, decay, start_epoch
        self.updates = 0
        self._average: dict[str, Tensor] = {}
        self._restored: dict[str, Tensor] = {}
        self._step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with the weights as they are, or go on with those of a checkpoint."""
        self._begin(pl_module)
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:
        """Follow every optimizer step of an ``ema``."""
        if trainer.global_step == self._step:
            return  # gradients are still being accumulated
        self._step = trainer.global_step
        if trainer.current_epoch < self.start_epoch:
            self._update(pl_module, 1.0)
        elif self.kind == "ema":
            self.updates += 1
            self._update(pl_module, 1 - min(self.decay, self.updates / (9 + self.updates)))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate the average; that of an epoch's end comes first for ``swa``."""
        if trainer.state.fn != "fit":
            return
        self._begin(pl_module)
        if self.kind == "swa" and not trainer.sanity_checking and trainer.current_epoch >= self.start_epoch:
            self.updates += 1
            self._update(pl_module, 1 / self.updates)
        self._swap(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train on with the raw weights."""
        if trainer.state.fn == "fit":
            self._swap(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the averaged weights in the model."""
        self._swap(pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the average in the place of the weights, and keep these beside it."""
        if self._average:
            raw = checkpoint["state_dict"]
            checkpoint[RAW] = {name: raw[name] for name in self._average}
            checkpoint["state_dict"] = {**raw, **self._average}
            checkpoint["weight_average"] = {"kind": self.kind, "updates": self.updates}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """When a training goes on, take up the raw weights and the average."""
        if trainer.state.fn != "fit":
            return
        raw = checkpoint.get(RAW)
        if raw is None:
            return  # trained without averaging until now: both begin alike
        self._restored = {name: checkpoint["state_dict"][name].clone() for name in raw}
        self.updates = checkpoint["weight_average"]["updates"]
        with torch.no_grad():
            for name, tensor in _weights(pl_module).items():
                tensor.copy_(raw[name])

    def _begin(self, module: LightningModule) -> None:
        """Make the average, once, when the model is on its device."""
        if not self._average:
            weights = _weights(module)
            self._average = {name: self._restored.get(name, w).to(w.device, copy=True) for name, w in weights.items()}
            self._restored = {}

    def _update(self, module: LightningModule, share: float) -> None:
        """Move the average towards the weights by this share."""
        live = _weights(module)
        floating = [name for name, tensor in live.items() if tensor.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([self._average[n] for n in floating], [live[n] for n in floating], share)
            for name in live.keys() - set(floating):  # counters
                self._average[name].copy_(live[name])

    def _swap(self, module: LightningModule) -> None:
        with torch.no_grad():
            for name, tensor in _weights(module).items():
                kept = tensor.clone()
                tensor.copy_(self._average[name])
                self._average[name].copy_(kept)


def _weights(module: LightningModule) -> dict[str, Tensor]:
    """Parameters and statistics of the network, without metrics and thresholds."""
    parts = ("normalize", "encoder", "decoder")
    return {
        f"{part}.{name}": tensor
        for part in parts
        for name, tensor in getattr(module, part).state_dict(keep_vars=True).items()
    }
