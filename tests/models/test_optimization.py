"""Learning rates of parts of a network keep their ratio under any schedule."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet
from eurosat_cls.models.optimization import keep_multipliers, parameter_groups
from tests.conftest import BARE

NETWORK = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)))


def test_every_parameter_is_in_one_group_and_the_longest_pattern_wins() -> None:
    groups = parameter_groups(NETWORK, {"1": 0.1, "1.1": 0.5})
    sizes = {group["lr_multiplier"]: sum(p.numel() for p in group["params"]) for group in groups}
    assert sizes == {1.0: 6, 0.1: 6, 0.5: 3}


def test_steps_are_scaled_and_schedules_see_the_base_rate() -> None:
    slow, fast = (nn.Parameter(torch.zeros(1)) for _ in range(2))
    network = nn.ParameterList([slow, fast])
    optimizer = torch.optim.SGD(
        [{"params": [slow], "lr_multiplier": 0.1}, {"params": [fast], "lr_multiplier": 1.0}], 1.0
    )
    keep_multipliers(optimizer)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    for _ in range(5):
        for parameter in network:
            parameter.grad = torch.ones(1)
        optimizer.step()
        assert optimizer.param_groups[0]["lr"] == optimizer.param_groups[1]["lr"]
        schedule.step()
    assert slow.item() == pytest.approx(0.1 * fast.item())
    assert fast.item() < -0.5


def test_a_multiplier_of_zero_leaves_the_encoder_alone() -> None:
    data = Demo(patches_per_class=10, batch_size=20)
    model = Classifier(
        partial(ResNet, widths=(8,), blocks=(1,)), data.class_names, data.bands, mean=data.mean, std=data.std,
        lr_multipliers={"encoder": 0.0}, optimizer=partial(torch.optim.SGD, lr=0.1),
        lr_scheduler=partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1),
    )  # fmt: skip
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    Trainer(max_epochs=1, accelerator="cpu", precision="32-true", **BARE).fit(model, datamodule=data)
    for name, parameter in model.named_parameters():
        assert torch.equal(before[name], parameter) == name.startswith("encoder."), name


@pytest.mark.parametrize(
    ("multipliers", "said"),
    [({"2": 0.1}, "'2' matches no part"), ({"1": -1.0}, "at least 0"), ({"1": float("nan")}, "number")],
)
def test_bad_multipliers_are_refused(multipliers: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        parameter_groups(NETWORK, multipliers)
