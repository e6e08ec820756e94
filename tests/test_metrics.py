"""The logged metrics are those of the whole set, whatever the batches."""

from functools import partial

import pytest
import torch
from torch import nn

from eurosat_cls import Classifier, Trainer
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet
from eurosat_cls.metrics import MeanLoss
from tests.conftest import BARE


def test_the_mean_loss_counts_samples_not_batches() -> None:
    mean = MeanLoss()
    mean.update(torch.tensor(1.0), 30)
    mean.update(torch.tensor(5.0), 10)
    assert mean.compute() == 2.0
    mean.update(torch.tensor(float("nan")), 10)
    assert mean.compute().isnan()


@pytest.mark.parametrize("batch_size", [7, 40, 64])
def test_validation_metrics_equal_those_computed_over_the_whole_set(batch_size: int) -> None:
    data = Demo(patches_per_class=20, batch_size=batch_size)
    torch.manual_seed(0)
    model = Classifier(
        partial(ResNet, widths=(16, 16), blocks=(1, 1)),
        data.class_names,
        data.bands,
        mean=data.mean,
        std=data.std,
    )
    trainer = Trainer(accelerator="cpu", precision="32-true", max_epochs=1, **BARE)
    trainer.fit(model, datamodule=data)
    (metrics,) = trainer.validate(model, datamodule=data, verbose=False)

    rows = data.split.val
    image, target = torch.from_numpy(data.store.images[rows]), torch.from_numpy(data.store.labels[rows])
    with torch.no_grad():
        logits = model.eval()(image)
    assert metrics["val/loss"] == pytest.approx(nn.functional.cross_entropy(logits, target).item(), rel=1e-4)
    predicted = logits.argmax(1)
    assert metrics["val/accuracy"] == pytest.approx((predicted == target).float().mean().item())
    scores = []
    for k in range(10):
        hits, ours, theirs = (int(x.sum()) for x in ((predicted == k) & (target == k), predicted == k, target == k))
        scores.append(2 * hits / (ours + theirs))
    assert metrics["val/macro_f1"] == pytest.approx(sum(scores) / 10, rel=1e-5)
    matrix = model.postprocessing.confusion_matrix(model.val_scores.epoch_outputs())
    assert matrix.sum() == len(rows)
    assert matrix.diag().sum() == (predicted == target).sum()
