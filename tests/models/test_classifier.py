"""The Classifier built by hand, without any config."""

from functools import partial

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.data import Batch, CutMix, Demo, Dihedral, Mixup
from eurosat_cls.data.augment import Augmentation, dihedral_view
from eurosat_cls.decoders import LinearHead
from eurosat_cls.encoders import ResNet
from eurosat_cls.losses import FocalLoss
from tests.conftest import BARE

NAMES = ["Forest", "River", "SeaLake"]
TINY = partial(ResNet, widths=(8, 16), blocks=(1, 1))


def build(**arguments: object) -> Classifier:
    defaults: dict[str, object] = {"encoder": TINY, "class_names": NAMES, "bands": ["B04", "B03"]}
    return Classifier(**{**defaults, **arguments})  # type: ignore[arg-type]


def images(n: int = 6, channels: int = 2) -> torch.Tensor:
    return torch.randint(0, 255, (n, channels, 32, 32), dtype=torch.uint8)


@pytest.mark.slow
def test_classes_and_partials_train_without_a_config() -> None:
    data = Demo(patches_per_class=20, batch_size=40, augment=[Dihedral()])
    model = Classifier(
        partial(ResNet, widths=(16, 16), blocks=(1, 1)),
        data.class_names,
        data.bands,
        decoder=partial(LinearHead, dropout=0.1),
        loss=partial(FocalLoss, gamma=1.0),
        optimizer=partial(torch.optim.AdamW, lr=1e-2),
        lr_scheduler=partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=1e-2),
        class_weights={"DemoRiver": 2.0},
        mean=data.mean,
        std=data.std,
    )
    trainer = Trainer(max_epochs=3, accelerator="cpu", precision="32-true", **BARE)
    trainer.fit(model, datamodule=data)
    assert trainer.callback_metrics["train/loss"] < 2.2
    scheduler = trainer.lr_scheduler_configs[0].scheduler
    assert scheduler.total_steps == 9  # type: ignore[attr-defined]
    assert trainer.optimizers[0].param_groups[0]["lr"] < 1e-3, "the schedule ended with the training"


@pytest.mark.parametrize("mixing", [Mixup(), CutMix()])
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, FocalLoss, nn.MultiMarginLoss])
def test_mixed_labels_train_with_class_weights_or_are_refused(loss: type[nn.Module], mixing: Augmentation) -> None:
    data = Demo(patches_per_class=20, batch_size=40, augment=[mixing])
    model = Classifier(TINY, data.class_names, data.bands, loss=loss, class_weights={"DemoRiver": 2.0},
                       mean=data.mean, std=data.std)  # fmt: skip
    trainer = Trainer(max_epochs=1, accelerator="cpu", precision="32-true", **BARE)
    if loss is nn.MultiMarginLoss:
        with pytest.raises(UserError, match=f"{loss.__name__} takes no mixed labels"):
            trainer.fit(model, datamodule=data)
        return
    trainer.fit(model, datamodule=data)
    assert 0 < trainer.callback_metrics["train/loss"] < 4
    assert 0 <= trainer.callback_metrics["train/accuracy"] <= 1


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss,
        partial(nn.MultiMarginLoss, p=2),
        FocalLoss,
        partial(nn.CrossEntropyLoss, label_smoothing=0.1),
    ],
)
def test_class_weights_reach_every_loss_that_takes_them(loss: object) -> None:
    model = build(loss=loss, class_weights={"River": 5.0})
    assert model.loss.weight.tolist() == [1, 5, 1]  # type: ignore[union-attr]


def test_a_loss_without_weights_refuses_them() -> None:
    assert build(loss=nn.MultiLabelMarginLoss) is not None
    with pytest.raises(UserError, match="MultiLabelMarginLoss takes no class weights"):
        build(loss=nn.MultiLabelMarginLoss, class_weights={"River": 5.0})


def test_hyperparameters_are_plain_data() -> None:
    model = build(loss=partial(FocalLoss, gamma=1.5), optimizer=partial(torch.optim.SGD, lr=0.1))
    assert model.hparams["encoder"] == {
        "class_path": "eurosat_cls.encoders.resnet.ResNet",
        "init_args": {"widths": [8, 16], "blocks": [1, 1]},
    }
    assert model.hparams["loss"]["init_args"] == {"gamma": 1.5}
    assert model.hparams["class_names"] == NAMES


def test_eight_views_make_the_prediction_independent_of_orientation() -> None:
    model = build(test_time_augmentation=True).eval()
    image = images()
    expected = model.predict_logits(image)
    for k in range(8):
        torch.testing.assert_close(model.predict_logits(dihedral_view(image, k)), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(expected.exp().sum(1), torch.ones(6))
    plain = build().eval()
    assert not torch.allclose(plain.predict_logits(image), plain.predict_logits(dihedral_view(image, 1)))


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_are_refused(label: int) -> None:
    batch = Batch(images(2), torch.tensor([0, label]), torch.arange(2))
    with pytest.raises(UserError, match=f"A label is {label}, but the 3 classes"):
        build().training_step(batch, 0)


def test_another_unit_is_refused_at_the_first_batch() -> None:
    model = build(mean=[90.0, 97.0], std=[52.0, 35.0])
    batch = Batch(images(2).float() / 255, torch.tensor([0, 1]), torch.arange(2))
    with pytest.raises(UserError, match="another unit"):
        model.validation_step(batch, 0)


class DtypeOfFeatures(Callback):
    """Remember in which dtype the encoder computes."""

    def setup(self, trainer: object, pl_module: Classifier, stage: str) -> None:  # type: ignore[override]
        self.seen: set[torch.dtype] = set()
        pl_module.encoder.stages.register_forward_hook(lambda m, i, out: self.seen.add(out.dtype))  # type: ignore


@pytest.mark.parametrize(("precision", "dtype"), [("bf16-mixed", torch.bfloat16), ("32-true", torch.float32)])
def test_the_precision_asked_for_is_the_one_computed_in(precision: str, dtype: torch.dtype) -> None:
    if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this CPU has no bfloat16 units; there the request is an error, see the next test")
    data, look = Demo(patches_per_class=20, batch_size=40), DtypeOfFeatures()
    model = Classifier(TINY, data.class_names, data.bands, mean=data.mean, std=data.std)
    Trainer(max_epochs=1, accelerator="cpu", precision=precision, callbacks=[look], **BARE).fit(model, datamodule=data)  # type: ignore[arg-type]
    assert look.seen == {dtype}


def test_bfloat16_is_refused_where_it_is_only_imitated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eurosat_cls.training.precision.supports_bf16", lambda device: False)
    with pytest.raises(UserError, match="no bfloat16 units"):
        Trainer(accelerator="cpu", precision="bf16-mixed", logger=False)


@pytest.mark.slow
def test_a_compiled_encoder_gives_the_same_logits_and_state_dict() -> None:
    plain, compiled = build().eval(), build(compile=True).eval()
    compiled.load_state_dict(plain.state_dict())
    compiled.setup("fit")
    assert compiled.encoder._compiled_call_impl is not None
    assert compiled.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.slow
def test_compiling_really_happens_and_changes_only_rounding() -> None:
    image = images()
    plain, compiled = build().eval(), build(compile=True).eval()
    compiled.load_state_dict(plain.state_dict())
    compiled.setup("fit")
    with torch.no_grad():
        torch.testing.assert_close(compiled(image), plain(image), rtol=1e-4, atol=1e-4)


def test_channels_last_reaches_encoder_and_images() -> None:
    model = build(memory_format="channels_last")
    model.setup("fit")
    assert model.encoder.stem[0].weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore
    seen = []
    model.encoder.register_forward_hook(
        lambda m, i, out: seen.append(i[0].is_contiguous(memory_format=torch.channels_last))
    )
    model(images())
    assert seen == [True]
