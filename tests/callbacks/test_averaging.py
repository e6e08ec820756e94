"""The averaged weights are those that are validated, saved and tested; the raw ones are those that are trained."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.callbacks import Checkpoints, WeightAverage
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet
from tests.conftest import BARE


def classifier(data: Demo) -> Classifier:
    torch.manual_seed(0)
    return Classifier(
        partial(ResNet, widths=(16, 16), blocks=(1, 1)), data.class_names, data.bands, mean=data.mean, std=data.std
    )


def fit(tmp_path: Path, average: WeightAverage, epochs: int, resume: Path | None = None, **more: Any) -> Classifier:
    data = Demo(patches_per_class=20, batch_size=20)
    model = classifier(data)
    quiet = {k: v for k, v in BARE.items() if k != "enable_checkpointing"}
    trainer = Trainer(
        accelerator="cpu", precision="32-true", max_epochs=epochs, default_root_dir=tmp_path,
        callbacks=[average, Checkpoints(dirpath=str(tmp_path))], num_sanity_val_steps=0, **quiet, **more,
    )  # fmt: skip
    trainer.fit(model, datamodule=data, ckpt_path=resume)
    return model


@pytest.mark.slow
def test_an_ema_follows_its_formula(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []

    class Record(WeightAverage):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any, **kwargs: Any) -> None:
            seen.append(pl_module.decoder.linear.bias.detach().clone())
            super().on_train_batch_end(trainer, pl_module, *args, **kwargs)

    start = classifier(Demo(patches_per_class=20)).decoder.linear.bias.detach().clone()
    average = Record(decay=0.7)
    model = fit(tmp_path, average, epochs=2)
    expected = start
    for k, bias in enumerate(seen, start=1):
        decay = min(0.7, k / (9 + k))
        expected = decay * expected + (1 - decay) * bias
    assert len(seen) == average.updates == 12
    torch.testing.assert_close(model.decoder.linear.bias.detach(), expected)  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_checkpoint_holds_both_and_later_uses_take_the_average(tmp_path: Path) -> None:
    model = fit(tmp_path, WeightAverage(decay=0.9), epochs=2)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    name = "encoder.stem.0.weight"
    assert not torch.equal(saved["state_dict"][name], saved["raw_state_dict"][name])
    torch.testing.assert_close(saved["state_dict"][name], model.state_dict()[name])
    again = Classifier.load_from_checkpoint(tmp_path / "last.ckpt")
    torch.testing.assert_close(again.state_dict()[name], saved["state_dict"][name])
    data = Demo(patches_per_class=20)
    metrics = [
        Trainer(accelerator="cpu", precision="32-true", **BARE).validate(m, datamodule=data, verbose=False)[0]
        for m in (model, again)
    ]
    assert metrics[0] == metrics[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_a_resumed_average_equals_an_uninterrupted_one(kind: Any, tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", WeightAverage(kind, decay=0.8, start_epoch=1), epochs=4)
    fit(tmp_path / "parts", WeightAverage(kind, decay=0.8, start_epoch=1), epochs=2)
    resumed = fit(tmp_path / "parts", WeightAverage(kind, decay=0.8, start_epoch=1), 4, tmp_path / "parts/last.ckpt")
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.slow
def test_swa_is_the_mean_of_the_ends_of_epochs(tmp_path: Path) -> None:
    ends: list[torch.Tensor] = []

    class Record(WeightAverage):
        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            ends.append(pl_module.decoder.linear.weight.detach().clone())
            super().on_validation_start(trainer, pl_module)

    model = fit(tmp_path, Record("swa", start_epoch=1), epochs=4)
    torch.testing.assert_close(model.decoder.linear.weight.detach(), torch.stack(ends[1:]).mean(0))  # type: ignore[union-attr]


def test_accumulated_gradients_count_as_one_step(tmp_path: Path) -> None:
    average = WeightAverage()
    fit(tmp_path, average, epochs=1, accumulate_grad_batches=3)
    assert average.updates == 2


@pytest.mark.parametrize("arguments", [{"decay": 1.0}, {"decay": 0.0}, {"start_epoch": -1}])
def test_bad_settings_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(arguments))):
        WeightAverage(**arguments)
