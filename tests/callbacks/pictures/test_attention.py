"""Attention maps appear when they are due, and only for encoders that attend."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.analysis.plots import attention
from eurosat_cls.callbacks import AttentionMaps
from eurosat_cls.data import Demo
from tests.callbacks.pictures.test_gradcam import TRANSFORMER
from tests.conftest import BARE
from tests.models.test_classifier import TINY

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
PICTURES = '[{"class_path": "eurosat_cls.callbacks.AttentionMaps", "init_args": {"every_n_epochs": 2}}]'


def test_they_are_drawn_every_so_many_epochs_as_one_series(run: Run) -> None:
    code, printed = run("fit", "--pictures", PICTURES, "--model.init_args.encoder", TRANSFORMER,
                        "--trainer.max_epochs", "4")  # fmt: skip
    assert code == 0, printed
    assert (RUN / "attention_maps.png").is_file()
    events = EventAccumulator(str(RUN), size_guidance={"images": 0})
    events.Reload()
    assert [tag for tag in events.Tags()["images"] if "attention" in tag] == ["pictures/attention_maps"]
    assert [event.step for event in events.Images("pictures/attention_maps")] == [3, 9], "epochs 1 and 3 of 3 steps"
    before = (RUN / "attention_maps.png").stat().st_mtime_ns
    code, printed = run("test", "--ckpt_path", "best", "--pictures", PICTURES, "--model.init_args.encoder", TRANSFORMER)
    assert code == 0, printed
    assert (RUN / "attention_maps.png").stat().st_mtime_ns == before


@pytest.mark.slow
def test_by_default_at_epochs_1_11_and_21(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(AttentionMaps, "_draw", lambda self, trainer, module: drawn.append(trainer.current_epoch + 1))
    data = Demo(patches_per_class=5, batch_size=30)
    model = Classifier(TINY, data.class_names, data.bands, mean=data.mean, std=data.std)
    model.encoder.attention = model.encoder.forward  # type: ignore[assignment]
    trainer = Trainer(max_epochs=22, accelerator="cpu", precision="32-true", limit_val_batches=0,
                      callbacks=[AttentionMaps()], **BARE)  # fmt: skip
    trainer.fit(model, datamodule=data)
    assert drawn == [1, 11, 21]


def test_an_encoder_without_attention_is_one_warning_at_the_start(run: Run) -> None:
    with pytest.warns(UserWarning, match="AttentionMaps: ResNet has no attention maps") as caught:
        assert run("fit", "--pictures", PICTURES)[0] == 0
    assert sum("AttentionMaps" in str(warning.message) for warning in caught) == 1
    assert not (RUN / "attention_maps.png").exists()


def test_every_class_has_a_row_with_the_same_patch_each_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    real = attention.draw_attention

    def record(*given: Any) -> np.ndarray:
        calls.append(given)
        return real(*given)

    monkeypatch.setattr(attention, "draw_attention", record)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        given = PICTURES.replace("2", "1")
        assert run("fit", "--pictures", given, "--model.init_args.encoder", TRANSFORMER)[0] == 0
    (first, maps, names, *_), (second, later, *_) = calls
    assert maps.shape == (10, 2, 8, 8), "ten classes, two layers"
    np.testing.assert_allclose(maps.mean((2, 3)), 1, rtol=1e-5)
    assert len(set(names)) == 10
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(maps, later), "it has learnt"


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(UserError, match="every_n_epochs"):
        AttentionMaps(0)
