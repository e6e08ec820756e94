"""Which checkpoints are kept, by which metric, and when they are saved."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from eurosat_cls import AutoEncoder, Classifier, Trainer
from eurosat_cls.callbacks import Checkpoints
from eurosat_cls.decoders import LinearReconstruction
from eurosat_cls.encoders import ResNet
from eurosat_cls.utils.errors import UserError

TINY = partial(ResNet, widths=(8,), blocks=(1,))
MODELS = {
    "classifier": Classifier(TINY, ["a", "b"], ["B04"]),
    "autoencoder": AutoEncoder(TINY, partial(LinearReconstruction, scale=2), ["B04"]),
}


@pytest.mark.parametrize(
    ("model", "given", "settled"),
    [
        ("classifier", (None, None), ("val/accuracy", "max")),
        ("autoencoder", (None, None), ("val/loss", "min")),
        ("classifier", ("val/loss", None), ("val/loss", "min")),
        ("classifier", ("val/macro_f1", None), ("val/macro_f1", "max")),
        ("autoencoder", ("val/made_up", "max"), ("val/made_up", "max")),
    ],
)
def test_what_is_not_given_follows(model: str, given: tuple[None, None], settled: tuple[str, str]) -> None:
    checkpoints = Checkpoints(*given)
    checkpoints.setup(None, MODELS[model], "fit")  # type: ignore[arg-type]
    assert (checkpoints.monitor, checkpoints.mode) == settled


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan")])
def test_a_number_of_minutes_that_is_none_is_refused(minutes: float) -> None:
    with pytest.raises(UserError, match="every_minutes must be above 0"):
        Checkpoints(every_minutes=minutes)


@pytest.mark.parametrize(("minutes", "saved"), [("1e-9", [1, 2, 3, 4, 5, 6]), ("5", [3, 6]), ("null", [3, 6])])
def test_the_clock_decides_what_is_saved_within_epochs(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, minutes: str, saved: list[int]
) -> None:
    steps: list[int] = []
    save = Checkpoints._save

    def noting(self: Checkpoints, trainer: Trainer, path: Path) -> None:
        steps.append(trainer.global_step)
        save(self, trainer, path)

    monkeypatch.setattr(Checkpoints, "_save", noting)
    assert run("fit", "--checkpoint.every_minutes", minutes)[0] == 0
    assert steps == saved


def test_a_kill_between_best_and_last_leaves_a_last_that_comes_before_both(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch is then trained again, finds the same metric, and is the best again."""

    def killed(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    assert run("fit", "--trainer.max_epochs", "1")[0] == 0
    with monkeypatch.context() as patched:
        patched.setattr("eurosat_cls.callbacks.checkpoints.copy_checkpoint", killed)
        assert run("fit", "--trainer.max_epochs", "1", "--checkpoint.every_minutes", "1e-9")[0] != 0
    folder = Path("lightning_logs/version_1/checkpoints")
    assert torch.load(folder / "best.ckpt", weights_only=True)["global_step"] == 3
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 2


def test_what_a_killed_process_left_is_removed(run: Callable[..., tuple[int, str]]) -> None:
    assert run("fit", "--trainer.max_epochs", "1")[0] == 0
    folder = Path("lightning_logs/version_0/checkpoints")
    (folder / ".last.ckpt.123.part").write_text("half")
    assert run("fit", "--trainer.max_epochs", "1", "--ckpt_path", "last")[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt"]
