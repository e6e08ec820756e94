"""What is measured of one stage: its loss, its metrics and, where a patch is seen once, what the model said of it."""

from typing import Literal

from lightning.pytorch import LightningModule
from torch import nn
from torchmetrics import Metric, MetricCollection

from eurosat_cls.metrics import MeanLoss
from eurosat_cls.models.predictions import EpochOutputs, OutputCollector

Stage = Literal["train", "val", "test"]
STAGES: tuple[Stage, ...] = ("train", "val", "test")


class StageScores(nn.Module):
    """Collect the scores of an epoch, of all processes.

    Args:
        stage: what logged names begin with.
        metrics: of the stage; they are cloned.

    Attributes:
        loss: mean over the patches.
        metrics: by name.
        outputs: logits and targets, for those who fill it.
    """

    def __init__(self, stage: Stage, metrics: MetricCollection | None = None) -> None:
        super().__init__()
        self.stage = stage
        self.loss = MeanLoss()
        self.metrics = MetricCollection({}) if metrics is None else metrics.clone(prefix=f"{stage}/")
        self.outputs = OutputCollector()

    def named_metrics(self) -> dict[str, Metric]:
        """Return loss and metrics by their names in this module."""
        return {"loss": self.loss, **{f"metrics.{k}": metric for k, metric in self.metrics.items(keep_base=True)}}

    def log(self, module: LightningModule) -> None:
        """Let Lightning compute loss and metrics when the epoch ends; once in an epoch, as every call costs time."""
        module.log(f"{self.stage}/loss", self.loss, on_step=False, on_epoch=True)
        module.log_dict(self.metrics, on_step=False, on_epoch=True)

    def epoch_outputs(self) -> EpochOutputs:
        """Return the outputs of the epoch; to be called by all processes of a training."""
        logits, target, indices, known = self.outputs.compute()
        count = indices.numel()  # a single patch comes without its axis
        return EpochOutputs(
            logits.reshape(count, -1), target.reshape(count, *target.shape[1:]), indices.reshape(count),
            None if known is None else known.reshape(count),
        )  # fmt: skip
