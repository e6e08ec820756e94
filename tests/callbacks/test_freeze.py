"""What is frozen stays as it is, batch normalisation included; what is thawed learns."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.callbacks import Freeze
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet
from tests.conftest import BARE


def train(
    freeze: Freeze, epochs: int, fused: bool = False, **arguments: Any
) -> tuple[Classifier, list[dict[str, torch.Tensor]]]:
    """Train, and return the weights before and after every epoch."""
    data = Demo(patches_per_class=10, batch_size=20)
    torch.manual_seed(0)
    model = Classifier(
        partial(ResNet, widths=(8, 16), blocks=(1, 1)), data.class_names, data.bands, mean=data.mean, std=data.std,
        optimizer=partial(torch.optim.SGD, lr=0.05, momentum=0.9, weight_decay=0.1, fused=fused), **arguments,
    )  # fmt: skip
    states = [{k: v.clone() for k, v in model.state_dict().items()}]

    class Record(Freeze):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            states.append({k: v.clone() for k, v in pl_module.state_dict().items()})

    recording = Record(freeze.modules)
    Trainer(max_epochs=epochs, accelerator="cpu", precision="32-true", callbacks=[recording], **BARE).fit(
        model, datamodule=data
    )
    return model, states


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], begin: str) -> list[str]:
    return [k for k in before if k.startswith(begin) and not torch.equal(before[k], after[k])]


def test_frozen_modules_keep_weights_and_statistics() -> None:
    _, states = train(Freeze({"encoder": None}), epochs=2)
    assert not changed(states[0], states[2], "encoder.")
    assert changed(states[0], states[2], "decoder.")


def test_an_epoch_that_is_gone_on_with_keeps_what_it_froze(run: Callable[..., tuple[int, str]]) -> None:
    freeze = {"class_path": "Freeze", "init_args": {"modules": {"encoder": None}}}
    terminate = {"class_path": "tests.end_to_end.crash.Terminate", "init_args": {"epoch": 1}}
    assert run("fit", "--trainer.callbacks", json.dumps([freeze, terminate]))[0] == 143
    last = Path("lightning_logs/version_0/checkpoints/last.ckpt")
    before = torch.load(last, weights_only=True)["state_dict"]
    assert run("fit", "--trainer.callbacks", json.dumps([freeze]), "--ckpt_path", "last")[0] == 0
    after = torch.load(last, weights_only=True)["state_dict"]
    assert not changed(before, after, "encoder.")
    assert changed(before, after, "decoder.")


def test_patterns_freeze_only_what_they_match() -> None:
    _, states = train(Freeze({"encoder.st[e]m": None}), epochs=1)
    assert not changed(states[0], states[1], "encoder.stem.")
    assert changed(states[0], states[1], "encoder.stages.1.")


def test_a_thawed_module_learns_from_its_epoch_on() -> None:
    _, states = train(Freeze({"encoder": 2, "encoder.stages.0": 1}), epochs=3)
    assert not changed(states[0], states[2], "encoder.")
    moved = changed(states[2], states[3], "encoder.")
    assert "encoder.stem.0.weight" in moved
    assert "encoder.stem.1.running_mean" in moved


def test_a_fused_optimizer_thaws_as_any_other_does() -> None:
    plain, fused = (train(Freeze({"encoder": 2, "encoder.stages.0": 1}), 3, fused)[1][-1] for fused in (False, True))
    for name in plain:
        assert torch.allclose(plain[name].float(), fused[name].float(), rtol=1e-3, atol=1e-4), name


def test_after_training_everything_can_be_trained_again() -> None:
    model, _ = train(Freeze({"encoder": None}), epochs=1)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_pattern_without_a_match_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"Freeze.modules: 'encoder.stemm' matches no part .* encoder\.stem"):
        train(Freeze({"encoder.stemm": None}), epochs=1)


def test_nothing_left_to_train_is_refused() -> None:
    with pytest.raises(UserError, match="every parameter is frozen"):
        train(Freeze({"encoder": None, "decoder": None}), epochs=1)


def test_an_epoch_below_one_is_refused() -> None:
    with pytest.raises(UserError, match="encoder would be thawed at epoch 0"):
        Freeze({"encoder": 0})
