"""The scores of an epoch that was left in its middle are taken up again, whatever version has kept them."""

import pytest
import torch
from lightning.pytorch import Trainer

from eurosat_cls import UserError
from eurosat_cls.models.resume import FORMER, restore_progress
from eurosat_cls.models.stage_scores import StageScores
from eurosat_cls.models.tasks import task_for
from eurosat_cls.utils.seeds import random_state

LOGITS, TARGET = torch.tensor([[3.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 2.0, 1.0]]), torch.tensor([0, 1, 1])


def scores() -> StageScores:
    return StageScores("train", task_for("multiclass", ["a", "b", "c"]).metrics(None))


def values(of: StageScores) -> dict[str, float]:
    return {"train/loss": float(of.loss.compute()), **{k: float(v) for k, v in of.metrics.compute().items()}}


@pytest.mark.parametrize("former", [False, True])
def test_metrics_of_half_an_epoch_go_on(former: bool) -> None:
    left, gone_on = scores(), scores()
    for part in (left, gone_on):
        part.loss.update(torch.tensor(0.5), 3)
        part.metrics.update(LOGITS, TARGET)
    kept = {name: (m.update_count, m._copy_state_dict()) for name, m in left.named_metrics().items()}
    assert kept.keys() == {"loss", "metrics.accuracy", "metrics.macro_f1"}
    if former:
        for old, new in FORMER.items():
            kept = {old + n.removeprefix(new) if n.startswith(new) else n: state for n, state in kept.items()}
        assert kept.keys() == {"losses.train_", "metrics.train_.accuracy", "metrics.train_.macro_f1"}
    anew = scores()
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    restore_progress(trainer, anew, {"random": [random_state()], "metrics": kept})
    wrong = {n: (count, {key: torch.zeros(7) for key in state}) for n, (count, state) in kept.items()}
    with pytest.raises(UserError, match=r"its random numbers or metrics are damaged \(ValueError .* is \[7\]"):
        restore_progress(trainer, scores(), {"random": [random_state()], "metrics": wrong})
    for part in (anew, gone_on):
        part.loss.update(torch.tensor(0.1), 2)
        part.metrics.update(LOGITS[:2], TARGET[1:])
    assert values(anew) == values(gone_on)
