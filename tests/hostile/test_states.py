"""The states in a checkpoint are data: no path in them says what is removed or written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from eurosat_cls import UserError
from eurosat_cls.callbacks import Checkpoints
from eurosat_cls.models.states import settle_states
from tests.conftest import BARE

Run = Callable[..., tuple[int, str]]


def settled(path: Path, callback: Any, state: Any, **loops: Any) -> Any:
    """What is taken of a state by a training that goes on from a checkpoint."""
    trainer = Trainer(accelerator="cpu", **{**BARE, "enable_checkpointing": True}, callbacks=[callback])
    trainer.ckpt_path = path
    checkpoint: dict[str, Any] = {"callbacks": {callback.state_key: state}, "loops": loops}
    settle_states(trainer, checkpoint)
    return checkpoint["callbacks"][callback.state_key] if not loops else checkpoint["loops"]


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text("a: 1\n")
    (folder / "checkpoints" / "kept.ckpt").touch()
    (folder / "checkpoints" / "link.ckpt").symlink_to("kept.ckpt")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "kept.ckpt").mkdir()
    return folder


def test_a_path_is_that_of_its_name_in_the_run_or_none(run_folder: Path, tmp_path: Path) -> None:
    kept = str(run_folder / "checkpoints" / "kept.ckpt")
    callback = ModelCheckpoint(dirpath=run_folder / "checkpoints", monitor="val/loss")
    own = callback.state_dict()
    for path, taken in {
        "/elsewhere/checkpoints/kept.ckpt": kept, kept: kept, str(tmp_path / "thesis" / "kept.ckpt"): kept,
        str(tmp_path / "thesis"): "", "thesis": "", "../run/config.yaml": "", "~/kept.ckpt/..": "", "./link.ckpt": "",
        "ftp://host/other.ckpt": "", str(run_folder / "checkpoints"): "", "a/\0.ckpt": "",
    }.items():  # fmt: skip
        state = {**own, "best_model_path": path, "best_k_models": {path: torch.tensor(0.1)}, "planted": 5}
        found = settled(run_folder / "checkpoints" / "last.ckpt", callback, state)
        assert found["best_model_path"] == taken, path
        assert list(found["best_k_models"]) == ([taken] if taken else [])
        assert found["monitor"] == "val/loss"
        assert "planted" not in found
    elsewhere = settled(tmp_path / "evil.ckpt", callback, {**own, "best_model_path": kept})
    assert elsewhere["best_model_path"] == "", "a checkpoint that lies in no run has no paths"


@pytest.mark.parametrize(
    ("callback", "state"),
    [
        (Checkpoints("val/loss", "min"), {"best_score": "x", "best_epoch": 1}),
        (Checkpoints("val/loss", "min"), {"best_score": {}, "best_epoch": 1}),
        (EarlyStopping("val/loss"), {"wait_count": "x"}),
        (ModelCheckpoint(monitor="val/loss"), {"best_k_models": [1]}),
        (ModelCheckpoint(monitor="val/loss"), {"best_model_path": 5}),
        (EarlyStopping("val/loss"), [1]),
    ],
)
def test_a_state_of_another_form_is_named(tmp_path: Path, callback: Any, state: Any) -> None:
    with pytest.raises(UserError, match=rf"a\.ckpt: the state of {type(callback).__name__}: is damaged"):
        settled(tmp_path / "a.ckpt", callback, state)


@pytest.mark.parametrize("count", [-1, 10**18, "x", float("nan"), [1]])
def test_counts_of_loops_are_counts(tmp_path: Path, count: Any) -> None:
    loops = Trainer(accelerator="cpu", **BARE).fit_loop.state_dict()
    good = settled(tmp_path / "a.ckpt", EarlyStopping("x"), {}, fit_loop=loops)
    assert good["fit_loop"] == loops
    loops["epoch_progress"]["current"]["completed"] = count
    with pytest.raises(UserError, match="the state of fit_loop: is damaged"):
        settled(tmp_path / "a.ckpt", EarlyStopping("x"), {}, fit_loop=loops)


def test_what_a_checkpoint_names_is_not_removed(run: Run, trained: None, tmp_path: Path) -> None:
    """Lightning's ModelCheckpoint removes the path of its last best, a whole folder too."""
    home = tmp_path / "home"
    (home / "thesis").mkdir(parents=True)
    (home / "thesis" / "chapter.txt").write_text("chapter")
    keep = f"[{{class_path: lightning.pytorch.callbacks.ModelCheckpoint, init_args: {{dirpath: {home}, filename: x}}}}]"
    evil = torch.load("lightning_logs/version_0/checkpoints/last.ckpt", weights_only=True)
    callback = ModelCheckpoint(dirpath=home, filename="x")
    evil["callbacks"][callback.state_key] = {**callback.state_dict(), "best_model_path": str(home / "thesis")}
    torch.save(evil, "evil.ckpt")
    code, printed = run("fit", "--trainer.max_epochs", "3", "--trainer.callbacks", keep, "--ckpt_path", "evil.ckpt")
    assert code == 0, printed
    assert (home / "thesis" / "chapter.txt").read_text() == "chapter"
    assert (home / "x.ckpt").is_file()
