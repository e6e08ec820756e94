"""The AutoEncoder built by hand: what its loss counts, what it hides, what a checkpoint of it keeps."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eurosat_cls import AutoEncoder, Trainer, UserError
from eurosat_cls.data import Batch, Demo
from eurosat_cls.decoders import ConvolutionalReconstruction, LinearReconstruction
from eurosat_cls.encoders import Exchanger, ResNet, Transformer
from eurosat_cls.losses import GaussianReconstruction
from eurosat_cls.models.autoencoder import Restored
from eurosat_cls.models.masking import BandMasking, CellMasking
from tests.conftest import BARE

TINY = partial(ResNet, widths=(8, 16), blocks=(1, 1))
RESTORE = partial(ConvolutionalReconstruction, scale=4, width=16)


def build(bands: int = 2, **arguments: Any) -> AutoEncoder:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "encoder": TINY,
        "decoder": RESTORE,
        "bands": [f"B{number:02}" for number in range(1, bands + 1)],
        "mean": [120.0] * bands,
        "std": [70.0] * bands,
    }
    return AutoEncoder(**{**defaults, **arguments})


def images(n: int = 4, bands: int = 2, side: int = 32) -> Tensor:
    return torch.randint(0, 255, (n, bands, side, side), dtype=torch.uint8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_loss_counts_hidden_values_only() -> None:
    model = build().eval()
    seen = model.restore(images(), generator())
    errors = model.errors(seen)
    visible = ~seen.mask
    elsewhere = seen._replace(output=seen.output + 100 * visible)
    torch.testing.assert_close(model.errors(elsewhere), errors)
    hidden = seen._replace(output=seen.output + seen.mask)
    assert (model.errors(hidden) != errors).all()


@pytest.mark.parametrize("loss", [nn.MSELoss, nn.L1Loss, partial(nn.SmoothL1Loss, beta=0.5)])
def test_the_error_is_the_mean_loss_of_hidden_values_whatever_the_mask(loss: Any) -> None:
    torch.manual_seed(1)
    original, reconstruction = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    for masking in (CellMasking(4, 0.5), BandMasking(0.5)):
        mask = masking(original, generator())
        errors = build(loss=loss).errors(Restored(original, mask, original, reconstruction))
        whole = mask.expand_as(original)
        for error, a, b, m in zip(errors, reconstruction, original, whole, strict=True):
            torch.testing.assert_close(error, loss()(a[m], b[m]))


def test_a_loss_of_means_and_variances_gets_both() -> None:
    model = build(3, loss=GaussianReconstruction).eval()
    seen = model.restore(images(bands=3), generator())
    assert seen.output.shape == (4, 6, 32, 32)
    assert torch.equal(seen.reconstruction, seen.output[:, :3])
    mask = seen.mask.expand_as(seen.original)
    expected = nn.GaussianNLLLoss()(seen.output[:, :3][mask], seen.original[mask], seen.output[:, 3:][mask].exp())
    torch.testing.assert_close(model.errors(seen).mean(), expected)


@pytest.mark.parametrize("masking", [partial(CellMasking, cell_size=8), partial(BandMasking, mask_ratio=0.5)])
def test_the_encoder_sees_nothing_of_what_is_hidden(masking: Any) -> None:
    model = build(bands=3, masking=masking).eval()
    image = images(bands=3)
    seen = model.restore(image, generator())
    hidden = seen.mask.expand_as(seen.original)
    assert (seen.masked[hidden] == 0).all()
    assert torch.equal(seen.masked[~hidden], seen.original[~hidden])
    other = torch.where(hidden, 255 - image, image)
    assert torch.equal(model.restore(other, generator()).reconstruction, seen.reconstruction)


@pytest.mark.parametrize("bands", [1, 3, 13])
def test_any_number_of_bands_is_restored(bands: int) -> None:
    model = build(bands)
    seen = model.restore(images(bands=bands))
    assert seen.reconstruction.shape == seen.original.shape == (4, bands, 32, 32)
    assert model(images(bands=bands)).shape == (4, 16)


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        (TINY, RESTORE),
        (TINY, partial(LinearReconstruction, scale=32, takes="features")),
        (partial(Transformer, d_model=32, num_layers=1), LinearReconstruction),
        (partial(Exchanger, d_model=32, num_layers=1), LinearReconstruction),
    ],
)
@pytest.mark.parametrize("bf16", [False, True])
def test_the_gradient_reaches_every_parameter(encoder: Any, decoder: Any, bf16: bool) -> None:
    model = build(encoder=encoder, decoder=decoder)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        seen = model.restore(images(8), generator())
        loss = model.errors(seen).mean()
    assert seen.reconstruction.dtype == loss.dtype == torch.float32
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_channels_last_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build().eval()
    image = images()
    expected = model.restore(image, generator()).reconstruction
    model.set_execution("channels_last", False)
    model.setup("fit")
    torch.testing.assert_close(model.restore(image, generator()).reconstruction, expected, rtol=1e-4, atol=1e-5)


def test_a_decoder_of_another_scale_is_refused() -> None:
    model = build(decoder=partial(ConvolutionalReconstruction, scale=8))
    with pytest.raises(UserError, match=r"restores \[2, 64, 64\], the patches are \[2, 32, 32\]: its scale"):
        model.restore(images())


def test_hiding_the_only_band_is_refused() -> None:
    with pytest.raises(UserError, match="BandMasking needs at least two bands, got one"):
        build(1, masking=BandMasking).restore(images(bands=1))


def test_a_loss_that_cannot_be_counted_by_value_is_refused() -> None:
    class Own(nn.Module):
        pass

    with pytest.raises(UserError, match=r"model\.loss: an autoencoder needs an elementwise loss"):
        build(loss=Own)


def test_images_of_another_unit_are_refused() -> None:
    with pytest.raises(UserError, match="another unit"):
        build().validation_step(Batch(torch.rand(2, 2, 32, 32), torch.zeros(2), torch.arange(2)), 0)


class Recording(CellMasking):
    """Keep every mask."""

    masks: list[tuple[bool, Tensor]] = []

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mask = super().forward(x, generator)
        self.masks.append((self.training, mask))
        return mask


def fit(epochs: int = 2, **arguments: Any) -> tuple[AutoEncoder, Trainer, Demo]:
    data = Demo(patches_per_class=10, batch_size=20)
    model = build(bands=3, **arguments)
    trainer = Trainer(max_epochs=epochs, accelerator="cpu", precision="32-true", num_sanity_val_steps=0, **BARE)
    trainer.fit(model, datamodule=data)
    return model, trainer, data


@pytest.mark.slow
def test_validations_hide_the_same_and_training_steps_never_do() -> None:
    Recording.masks = []
    fit(masking=Recording)
    validated = [mask for training, mask in Recording.masks if not training]
    trained = [mask for training, mask in Recording.masks if training]
    assert len(validated) == 2
    assert torch.equal(validated[0], validated[1])
    assert len(trained) == 1 + 6, "the first is of the dry run"
    assert len({tuple(mask.flatten().tolist()) for mask in trained[1:]}) == 6


@pytest.mark.slow
def test_training_lowers_the_loss_and_needs_no_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Demo, "_one_hot", None)
    optimizer = partial(torch.optim.AdamW, lr=3e-3)
    _, start, _ = fit(epochs=1, optimizer=optimizer)
    _, trainer, _ = fit(epochs=6, optimizer=optimizer)
    assert trainer.callback_metrics["val/loss"] < 0.9 * start.callback_metrics["val/loss"]


def test_a_checkpoint_is_self_contained(tmp_path: Path) -> None:
    arguments = {
        "masking": partial(CellMasking, cell_size=4, mask_ratio=0.7),
        "loss": partial(nn.SmoothL1Loss, beta=0.5),
    }
    model, trainer, data = fit(epochs=1, optimizer=partial(torch.optim.SGD, lr=0.01), **arguments)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = AutoEncoder.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert (again.masking.cell_size, again.masking.mask_ratio) == (4, 0.7)
    assert again.loss.beta == 0.5
    assert again.bands == model.bands
    image = torch.from_numpy(data.store.read(data.split.val))
    seen, restored = (m.eval().restore(image, generator()) for m in (model, again))
    for before, after in zip(seen, restored, strict=True):
        assert torch.equal(before, after)


def test_a_prediction_is_the_error_of_each_patch() -> None:
    model = build().eval()
    batch = Batch(images(), torch.zeros(4), torch.arange(4))
    with torch.no_grad():
        first, second = (model.predict_step(batch, 0) for _ in range(2))
    assert torch.equal(first, second)
    assert model.prediction_rows(first) == [[f"{error:.6f}"] for error in first.tolist()]
    assert model.prediction_columns() == ["reconstruction_error"]
