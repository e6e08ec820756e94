"""The states in a checkpoint are data: no path in them says what is removed or written."""

import copy
import os
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch.optim.lr_scheduler import OneCycleLR

import eurosat_cls
from eurosat_cls import Classifier, UserError
from eurosat_cls.callbacks import Checkpoints
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet
from eurosat_cls.models.states import _try_step, settle_states
from eurosat_cls.optimizers import SAM
from tests.conftest import BARE
from tests.hostile.odd_runs import ODD, places

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


# --- what a training goes on from -------------------------------------------------------------------------------------


def train(epochs: int, path: str | None, folder: str = "kept") -> dict[str, Any]:
    """Train so far, and return what is left then."""
    settings = {**BARE, "enable_checkpointing": True, "callbacks": [Checkpoints(dirpath=folder)]}
    trainer = eurosat_cls.Trainer(max_epochs=epochs, accelerator="cpu", precision="32-true", **settings)
    data = Demo(patches_per_class=10, batch_size=30)
    model = Classifier(
        partial(ResNet, widths=(4,), blocks=(1,)), data.class_names, ["B04", "B03", "B02"], mean=[90.0] * 3,
        std=[30.0] * 3, optimizer=partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        lr_scheduler=partial(OneCycleLR, max_lr=0.1),
    )  # fmt: skip
    trainer.fit(model, datamodule=data, ckpt_path=path)
    found: dict[str, Any] = torch.load(f"{folder}/last.ckpt", weights_only=True)
    return found


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a training of one epoch leaves."""
    return train(1, None, str(tmp_path_factory.mktemp("left")))


def go_on(checkpoint: dict[str, Any], keys: Sequence[Any], value: Any) -> None:
    """Go on from a checkpoint in which something has another value."""
    evil = copy.deepcopy(checkpoint)
    inside: Any = evil
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = value
    torch.save(evil, "evil.ckpt")
    train(2, "evil.ckpt")


OPTIMIZER, GROUP = ("optimizer_states", 0), ("optimizer_states", 0, "param_groups", 0)
SCHEDULE, EPOCH = ("lr_schedulers", 0), ("loops", "fit_loop", "epoch_progress")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "values", "named"),
    [((*GROUP, "params"), ["", 5, None, [], [True, *range(1, 100)], torch.zeros(3)], "a group is not of"),
     ((*GROUP, "lr"), ["x", None, [0.1], torch.zeros(3), True], "lr is"), (GROUP, ["", [1]], "a group is not of"),
     ((*OPTIMIZER, "param_groups"), ["", [], {}], "its groups are not"), ((*OPTIMIZER, "state"), [[]], "its groups"),
     ((*OPTIMIZER, "state", 0), ["x", [1]], "no mapping"), (OPTIMIZER, ["x", None], "its groups are not"),
     (("optimizer_states",), [5, "x", [{}, {}], {0: 1}], "its optimizer_states are no states"),
     ((*OPTIMIZER, "state", 0, "momentum_buffer"), [torch.zeros(5), 3, "x", []], "cannot be restored"),
     ((*SCHEDULE, "last_epoch"), ["x", 1.5, -1, 10**18, None, float("nan")], "OneCycleLR: is damaged"),
     (SCHEDULE, ["x", [1]], "OneCycleLR: is damaged"), (("lr_schedulers",), [{}, [1, 2]], "its lr_schedulers are no"),
     (("callbacks", "Checkpoints{'monitor': 'val/accuracy', 'mode': 'max'}", "best_epoch"), [[1]], "best_epoch: is"),
     (("loops",), ["x", [1]], "its loops are no states"), (("loops", "fit_loop"), [5], "fit_loop: is damaged"),
     ((*EPOCH, "current", "ready"), [1.5, torch.zeros(2), True, None], "fit_loop: is damaged"),
     (("execution",), [5, {"precision": []}], "its execution"), (("Demo",), ["x"], "cannot be restored"),
     (("Demo", "seed"), ["x"], "its Demo: seed: is"), (("progress",), [5, {"random": 5}], "random numbers or metrics")],
)  # fmt: skip
def test_a_training_goes_on_from_states_of_its_own_form_only(
    left: dict[str, Any], keys: Sequence[Any], values: list[Any], named: str
) -> None:
    for value in values:
        with pytest.raises(UserError, match=named):
            go_on(left, keys, value)


@pytest.mark.slow
def test_best_and_last_share_no_bytes() -> None:
    train(1, None)
    assert [Path("kept", f"{name}.ckpt").stat().st_nlink for name in ("best", "last")] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["loops", "optimizer_states", "lr_schedulers"])
def test_weights_alone_are_no_training(left: dict[str, Any], missing: str) -> None:
    torch.save({key: value for key, value in left.items() if key != missing}, "a.ckpt")
    with pytest.raises(UserError, match=f"has no {missing} to go on from; take its weights by"):
        train(2, "a.ckpt")


@pytest.mark.slow
def test_flags_texts_and_further_names_of_a_state_are_those_of_the_configuration(left: dict[str, Any]) -> None:
    evil = copy.deepcopy(left)
    evil["optimizer_states"][0]["param_groups"][0].update(maximize=True, nesterov="x", foreach=5, planted=5)
    evil["lr_schedulers"][0].update(step=5, optimizer=5, _anneal_func_type="x", get_lr=None)
    torch.save(evil, "evil.ckpt")
    torch.save(left, "good.ckpt")
    found, wanted = (train(2, name) for name in ("evil.ckpt", "good.ckpt"))
    assert all(torch.equal(found["state_dict"][name], tensor) for name, tensor in wanted["state_dict"].items())
    assert found["lr_schedulers"] == wanted["lr_schedulers"]


@pytest.mark.parametrize(
    "optimizer",
    [torch.optim.AdamW, torch.optim.Adafactor, torch.optim.Rprop, torch.optim.Adagrad, partial(SAM, momentum=0.9),
     partial(torch.optim.LBFGS, line_search_fn="strong_wolfe"), partial(torch.optim.Adam, amsgrad=True, fused=True)],
)  # fmt: skip
def test_a_step_that_is_tried_leaves_no_trace(optimizer: Any) -> None:
    weights = [torch.nn.Parameter(torch.randn(4, 3)), torch.nn.Parameter(torch.randn(5))]

    def closure() -> torch.Tensor:
        used.zero_grad()
        loss: torch.Tensor = (weights[0] ** 2).sum()  # the other one stays as it is, as a frozen one does
        loss.backward()
        return loss

    used, anew = optimizer(weights), optimizer(weights)
    for _ in range(3):
        used.step(closure)
    state = used.state_dict()
    before = copy.deepcopy((weights, state))
    _try_step(anew, state)
    assert repr((weights, state)) == repr(before)
    assert all(weight.grad is None for weight in weights)


SEED, COUNT = 17, int(os.environ.get("GARBLED", 12))
TENSORS = [torch.zeros(2, 3), torch.tensor(5), torch.tensor(float("nan")), torch.zeros(0)]


@pytest.mark.slow
def test_a_garbled_checkpoint_is_gone_on_from_or_a_mistake(left: dict[str, Any]) -> None:
    chosen = random.Random(SEED)
    for _ in range(COUNT):
        evil = copy.deepcopy(left)
        container, key = chosen.choice(places({k: v for k, v in evil.items() if k != "state_dict"})[1:])
        if isinstance(container, dict | list):
            container[key] = copy.deepcopy(chosen.choice([*ODD, *TENSORS]))
        torch.save(evil, "evil.ckpt")
        with suppress(UserError):  # whatever else is raised is an accident
            train(2, "evil.ckpt")
