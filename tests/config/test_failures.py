"""What is refused when it is built, or by the Trainer, is told like what the parser refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from eurosat_cls.config.checks import RANGES
from eurosat_cls.config.compose import compose
from eurosat_cls.config.failures import explaining
from tests.conftest import exit_code

PARTS = """
from lightning.pytorch import Callback

class Breaks(Callback):
    def __init__(self, size: int = 3) -> None:
        raise ValueError(f"no shape of {size}")
"""
REFUSED = {
    "model: {init_args: {encoder: {init_args: {widths: [0]}}}}": (
        "model.init_args.encoder.init_args.widths: ResNet: widths [0] and blocks [1, 1] must have the same length."
    ),
    "model: {init_args: {decoder: {init_args: {dropout: 2}}}}": (
        "model.init_args.decoder.init_args.dropout: LinearHead: dropout must be in [0, 1), got 2.0."
    ),
    "model: {init_args: {optimizer: {init_args: {momentum: -3}}}}": (
        "model.init_args.optimizer.init_args.momentum: SGD: Invalid momentum value: -3.0"
    ),
    "model: {init_args: {lr_scheduler: {init_args: {pct_start: 3}}}}": (
        "model.init_args.lr_scheduler.init_args.pct_start: OneCycleLR: Expected float between 0 and 1 pct_start"
    ),
    "data: {init_args: {batch_size: 0}}": "data.init_args.batch_size: data.batch_size must be at least 1, got 0.",
    "data: {init_args: {augment: [{class_path: Shift, init_args: {pixels: 2}}, "
    "{class_path: Shift, init_args: {pixels: -1}}]}}": (
        "data.init_args.augment[1].init_args.pixels: Shift: pixels must be at least 0, got -1."
    ),
    "pictures: [{class_path: GradCAM, init_args: {patches: -1}}]": (
        "pictures[0].init_args.patches: GradCAM: patches must be from 1 to 60, got -1."
    ),
    "trainer: {callbacks: [{class_path: EarlyStopping, init_args: {monitor: val/loss, mode: up}}]}": (
        "trainer.callbacks[0].init_args.mode: EarlyStopping: `mode` can be min, max, got up"
    ),
    "trainer: {callbacks: [{class_path: lightning.pytorch.callbacks.ModelCheckpoint, init_args: {save_top_k: -3}}]}": (
        "trainer.callbacks[0].init_args.save_top_k: ModelCheckpoint: Invalid value for save_top_k=-3. Must be >= -1"
    ),
    "trainer: {callbacks: [{class_path: RichModelSummary, init_args: {max_depth: -5}}]}": (
        "trainer.callbacks[0].init_args.max_depth: RichModelSummary: `max_depth` can be -1, 0 or > 0, got -5."
    ),
    "trainer: {accelerator: tpux}": "trainer.accelerator: You selected an invalid accelerator name: ",
    "trainer: {devices: 0}": "trainer.devices: `Trainer(devices=0)` value is not a valid input using cpu accelerator.",
    "trainer: {strategy: foo}": "trainer.strategy: You selected an invalid strategy name: `strategy='foo'`.",
    "trainer: {profiler: foo}": "trainer.profiler: When passing string value for the `profiler` parameter",
    "trainer: {gradient_clip_algorithm: foo}": "trainer.gradient_clip_algorithm: `gradient_clip_algorithm` foo is inv",
    "trainer: {val_check_interval: 500}": "trainer.val_check_interval: `val_check_interval` (500) must be less than",
    "trainer: {max_epochs: -5}": "trainer.max_epochs: must be at least -1, got -5.",
    "trainer: {accumulate_grad_batches: 0}": "trainer.accumulate_grad_batches: must be at least 1, got 0.",
    "trainer: {check_val_every_n_epoch: 0}": "trainer.check_val_every_n_epoch: must be at least 1, got 0.",
    "trainer: {limit_train_batches: 1.5}": (
        "trainer.limit_train_batches: must be a part from 0.0 to 1.0, or a whole number, got 1.5."
    ),
    "trainer: {gradient_clip_val: -1}": "trainer.gradient_clip_val: must be at least 0, got -1.",
    "seed_everything: -3": "seed_everything: must be from 0 to 4294967295, got -3.",
}


@pytest.mark.parametrize("config", REFUSED)
def test_a_value_that_is_refused_is_told_with_its_place(
    run: Callable[..., tuple[int, str]], config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("wrong.yaml").write_text(f"# an overlay\n{config}\n")
    code, printed = run("fit", "--config", "wrong.yaml")
    assert code == 2
    error = printed[printed.index("eurosat_cls: error: ") :].strip()
    assert error.startswith(f"eurosat_cls: error: wrong.yaml:2: {REFUSED[config]}")
    assert error.count("\n") == 0
    assert not list(Path().glob("lightning_logs/*/checkpoints/*.ckpt"))
    if "strategy" in config or "devices" in config:
        assert not Path("lightning_logs").exists(), "a run that never began leaves no folder"


def test_settings_of_the_trainer_with_a_range_exist() -> None:
    import inspect

    from lightning.pytorch import Trainer

    assert {path[1] for path in RANGES if path[0] == "trainer"} < inspect.signature(Trainer).parameters.keys()


def test_what_a_class_of_ones_own_raises_keeps_its_traceback(quick: list[str], tmp_path: Path) -> None:
    name = f"breaks_{abs(hash(tmp_path))}"
    Path(f"{name}.py").write_text(PARTS)
    Path("mine.yaml").write_text(f"trainer: {{callbacks: [{{class_path: {name}.Breaks}}]}}")
    with pytest.raises(ValueError, match="no shape of 3"):
        exit_code(["fit", *quick, "--config", "mine.yaml", "--trust", name])


def test_an_error_of_the_program_is_no_mistake_of_the_user() -> None:
    composed = compose(["--trainer.max_epochs", "3"], "fit", {"fit": ["trainer"]})
    with pytest.raises(ValueError, match="max_epochs=1"), explaining(composed):
        raise ValueError("max_epochs=1")


def test_a_folder_for_runs_that_cannot_be_made_is_named(run: Callable[..., tuple[int, str]]) -> None:
    Path("file").write_text("")
    code, printed = run("fit", "--trainer.default_root_dir", "file")
    assert code == 2
    assert "trainer.default_root_dir: cannot make a folder in file" in printed
