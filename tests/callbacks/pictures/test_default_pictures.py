"""All default pictures together, where a validation or the run folder is not as one would wish."""

import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls import Classifier
from eurosat_cls.callbacks import EpochSummary
from eurosat_cls.cli.application import PICTURES
from eurosat_cls.models.predictions import EpochOutputs, OutputCollector

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
ALL = ("--pictures", "[" + ", ".join(f"{{class_path: {name}}}" for name in PICTURES) + "]")


def see(monkeypatch: pytest.MonkeyPatch, change: Callable[[EpochOutputs], EpochOutputs]) -> None:
    """Let every validation and test say something else."""
    real = OutputCollector.compute
    monkeypatch.setattr(OutputCollector, "compute", lambda self: change(real(self)))


def all_hits(epoch_outputs: EpochOutputs) -> EpochOutputs:
    return epoch_outputs._replace(logits=10 * torch.nn.functional.one_hot(epoch_outputs.target, 10).float())


def one_class(epoch_outputs: EpochOutputs) -> EpochOutputs:
    return epoch_outputs._replace(target=torch.full_like(epoch_outputs.target, 3))


def a_class_missing(epoch_outputs: EpochOutputs) -> EpochOutputs:
    return epoch_outputs._replace(target=epoch_outputs.target.where(epoch_outputs.target != 4, 5))


def some_nan(epoch_outputs: EpochOutputs) -> EpochOutputs:
    return epoch_outputs._replace(logits=epoch_outputs.logits.index_fill(0, torch.tensor([0]), torch.nan))


def all_nan(epoch_outputs: EpochOutputs) -> EpochOutputs:
    return epoch_outputs._replace(logits=torch.full_like(epoch_outputs.logits, torch.nan))


@pytest.fixture
def told() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


@pytest.mark.parametrize("change", [all_hits, one_class, a_class_missing, some_nan])
def test_every_picture_is_drawn_of_odd_outcomes(
    change: Any, run: Run, monkeypatch: pytest.MonkeyPatch, told: list[warnings.WarningMessage]
) -> None:
    see(monkeypatch, change)
    code, printed = run("fit", *ALL, "--trainer.max_epochs", "1")
    assert code == 0, printed
    assert not [str(one.message) for one in told if one.category is UserWarning]
    drawn = {path.stem for path in RUN.glob("*.png")}
    assert drawn >= {"curves", "confusion_matrix_val", "class_scores", "calibration_val", "misclassified", "gradcam"}


def test_pictures_without_a_number_to_draw_say_so_in_a_line_each(
    run: Run, monkeypatch: pytest.MonkeyPatch, told: list[warnings.WarningMessage]
) -> None:
    see(monkeypatch, all_nan)
    code, printed = run("fit", *ALL, "--trainer.max_epochs", "1")
    assert code == 0, printed
    lines = [str(one.message) for one in told if one.category is UserWarning]
    for name in ("ClassScores", "Calibration", "Misclassified", "GradCAM"):
        assert len([line for line in lines if line.startswith(f"{name}: ")]) == 1, lines
    assert not [line for line in lines if "\n" in line]


def test_a_run_folder_deleted_amid_a_training_is_made_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = EpochSummary.on_train_epoch_end

    def delete(self: Callback, trainer: Trainer, pl_module: LightningModule) -> None:
        real(self, trainer, pl_module)  # type: ignore[arg-type]
        if trainer.current_epoch == 0:
            shutil.rmtree(RUN)

    monkeypatch.setattr(EpochSummary, "on_train_epoch_end", delete)
    code, printed = run("fit", *ALL)
    assert code == 0, printed
    assert (RUN / "confusion_matrix_val.png").is_file()
    assert (RUN / "checkpoints/last.ckpt").is_file()


def test_processes_other_than_the_first_draw_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "is_global_zero", property(lambda self: False))
    code, printed = run("fit", *ALL)
    assert code == 0, printed
    assert not list(RUN.glob("*.png"))
    assert not list(RUN.glob("*.csv"))


def test_what_is_kept_of_validations_does_not_grow(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    real = Classifier.on_validation_epoch_end

    def count(self: Classifier) -> None:
        real(self)
        kept.append(sum(len(part) for part in self.val_scores.outputs.indices))

    monkeypatch.setattr(Classifier, "on_validation_epoch_end", count)
    assert run("fit", *ALL, "--trainer.max_epochs", "3")[0] == 0
    assert kept == [40, 40, 40]
