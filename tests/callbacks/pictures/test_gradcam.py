"""Grad-CAM and attention rollout in a training and a test, which go on as if nobody had looked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, seed_everything
from PIL import Image

from eurosat_cls import Classifier, Trainer
from eurosat_cls.analysis.hard_examples import ClassTarget, HardExample, ScoredTarget
from eurosat_cls.analysis.plots import gradcam
from eurosat_cls.callbacks import AttentionMaps, GradCAM, Misclassified
from eurosat_cls.callbacks.pictures.gradcam import find_evidence
from eurosat_cls.data import Demo
from tests.analysis.test_explanations import Mapless, hooks
from tests.conftest import BARE
from tests.models.test_classifier import TINY

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
PICTURES = '[{"class_path": "eurosat_cls.callbacks.GradCAM", "init_args": {"patches": 4}}]'
TRANSFORMER = ('{"class_path": "eurosat_cls.encoders.Transformer", '
               '"init_args": {"d_model": 16, "num_heads": 2, "num_layers": 2}}')  # fmt: skip


def train(folder: Path, callbacks: list[Callback], encoder: Any = TINY, test: bool = False) -> Classifier:
    seed_everything(0)
    data = Demo(patches_per_class=10, batch_size=20)
    model = Classifier(encoder, data.class_names, data.bands, mean=data.mean, std=data.std)
    trainer = Trainer(max_epochs=2, accelerator="cpu", precision="32-true", default_root_dir=folder,
                      callbacks=callbacks, **BARE)  # fmt: skip
    trainer.fit(model, datamodule=data)
    if test:
        trainer.test(model, datamodule=data, verbose=False)
    return model


@pytest.mark.parametrize(("encoder", "tiles"), [(None, 3), (TRANSFORMER, 2)])
def test_a_training_and_its_test_leave_the_picture(run: Run, encoder: str | None, tiles: int) -> None:
    given = ["--pictures", PICTURES, *(["--model.init_args.encoder", encoder] if encoder else [])]
    code, printed = run("fit", *given)
    assert code == 0, printed
    validation = (RUN / "gradcam.png").read_bytes()
    code, printed = run("test", "--ckpt_path", "best", *given)
    assert code == 0, printed
    assert (RUN / "gradcam.png").read_bytes() != validation
    with Image.open(RUN / "gradcam.png") as picture:
        assert picture.width == pytest.approx(6 // tiles * (tiles * 134 + 10) + 32, abs=40)
        assert np.asarray(picture).std() > 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:AttentionMaps")
def test_a_training_that_is_looked_into_gives_the_same_weights(tmp_path: Path) -> None:
    alone = train(tmp_path, [])
    watched = train(tmp_path, [GradCAM(1, patches=2), Misclassified(1), AttentionMaps(1)])
    assert (tmp_path / "gradcam.png").is_file()
    for (name, a), b in zip(alone.state_dict().items(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert hooks(watched) == 0


def test_an_encoder_without_maps_is_one_warning_and_training_goes_on(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="GradCAM: Mapless has no feature map") as caught:
        train(tmp_path, [GradCAM(1)], Mapless)
    lines = [str(warning.message) for warning in caught if "GradCAM" in str(warning.message)]
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert not (tmp_path / "gradcam.png").exists()


def test_flags_gradients_and_hooks_are_as_before_when_the_picture_cannot_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    model = train(tmp_path, [Misclassified()])
    epoch_outputs = model.val_scores.epoch_outputs()
    monkeypatch.setattr(gradcam, "overlay", broken)
    model.train()
    model(torch.zeros(2, 3, 64, 64)).sum().backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    with pytest.raises(ZeroDivisionError):
        GradCAM().draw(model.trainer, model, "val", epoch_outputs)
    assert all(part.training for part in model.modules())
    assert hooks(model) == 0
    for p, gradient in zip(model.parameters(), gradients, strict=True):
        assert p.grad is not None
        assert torch.equal(p.grad, gradient)


def test_each_patch_gets_the_evidence_for_its_own_sides() -> None:
    model = Classifier(TINY, ["a", "b"], ["B04"], task="binary")
    images = np.random.default_rng(0).integers(0, 255, (2, 1, 32, 32), dtype=np.uint8)
    a, b = (ScoredTarget(ClassTarget(name, 0, sign), 0.5) for name, sign in (("a", -1), ("b", 1)))
    maps = find_evidence(model, images, [HardExample(0, a, b), HardExample(1, b, a)])
    turned = find_evidence(model, images, [HardExample(0, b, a), HardExample(1, a, b)])
    assert maps.shape == (2, 2, 8, 8)
    np.testing.assert_array_equal(maps, turned[:, ::-1])
    assert not np.array_equal(maps, turned)
