"""A search starts from a configuration that the command line reads, and ends with one that it reads alike."""

from pathlib import Path

import pytest
import yaml

from eurosat_cls.cli.configuration import merged
from eurosat_cls.config.trust import trusting
from eurosat_cls.search.configuration import check_space, read_base, write_best
from eurosat_cls.search.space_file import read_space
from eurosat_cls.utils.errors import UserError

LR = "model.init_args.optimizer.init_args.lr"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("trainer.max_epocs: [1, 2]", "no key trainer.max_epocs; did you mean trainer.max_epochs"),
        ("model.init_args.optimizer.init_args.lrr: [1, 2]", f"did you mean {LR}"),
        ("modell.init_args.compile: [true]", r"no key modell\.init_args\.compile; did you mean model"),
        (f"{LR}: [0.1, fast]", "refuses a value of the search: .*(fast|lr)"),
        ("trainer.max_epochs: {low: 1.5, high: 3}", "refuses a value of the search: .*max_epochs"),
        ("model.init_args.loss: [{class_path: FocalLoss, init_args: {gama: {low: 1, high: 2}}}]", "gama"),
        ("model.init_args.encoder.class_path: [ResNet, ResNett]", "ResNett"),
    ],
)
def test_a_space_that_does_not_fit_the_configuration_is_refused(
    text: str, match: str, quick: list[str], tmp_path: Path
) -> None:
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(UserError, match=match):
        check_space(read_base(quick, None, None, merged), read_space(tmp_path / "space.yaml"))


@pytest.mark.slow
def test_a_setting_that_the_search_varies_is_named(
    quick: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.yaml").write_text("trainer.max_epochs: [1, 2]")
    check_space(
        read_base([*quick, "--trainer.max_epochs", "3"], None, None, merged), read_space(tmp_path / "space.yaml")
    )
    assert "--trainer.max_epochs has no effect" in capsys.readouterr().err


@pytest.mark.slow
def test_the_metric_is_that_of_the_checkpoints(quick: list[str]) -> None:
    chosen = read_base(quick, None, None, merged)
    assert (chosen.monitor, chosen.mode) == ("val/accuracy", "max")
    configured = ["--checkpoint.monitor", "val/brier", "--checkpoint.mode", "min"]
    for metric, mode, expected in (
        (None, None, ("val/brier", "min")),
        ("val/macro_f1", None, ("val/macro_f1", "max")),
        ("val/loss", None, ("val/loss", "min")),
    ):
        base = read_base([*quick, *configured], metric, mode, merged)
        assert (base.monitor, base.mode) == expected
    with pytest.raises(UserError, match="'max' contradicts val/loss"):
        read_base([*quick, *configured], "val/loss", "max", merged)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--checkpoint.dirpath", "here"], "checkpoint.dirpath cannot be set"),
        (["--trainer.fast_dev_run", "true"], "fast_dev_run cannot be set"),
        (["--ckpt_path", "last"], "ckpt_path cannot be set"),
        (["--trainer.max_epoch", "3"], "max_epoch"),
        (["--config", "nowhere.yaml"], r"nowhere\.yaml"),
    ],
)
def test_what_fit_or_a_search_cannot_do_is_refused(arguments: list[str], match: str, quick: list[str]) -> None:
    with pytest.raises(UserError, match=match):
        read_base([*quick, *arguments], None, None, merged)


@pytest.mark.slow
def test_the_best_configuration_is_whole_and_is_read_alike(quick: list[str], tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("model.init_args.loss: [{class_path: FocalLoss, init_args: {gamma: {low: 1.0, high: 3.0}}}]")
    base, best = read_base(quick, None, None, merged), tmp_path / "best.yaml"
    params = {"model.init_args.loss": "FocalLoss", "model.init_args.loss[FocalLoss].init_args.gamma": 1.25}
    write_best(base, read_space(space), params, "found", best)
    config = yaml.safe_load(best.read_text())
    assert merged(["--config", str(best)]) == config
    assert config["model"]["init_args"]["loss"]["init_args"]["gamma"] == 1.25
    assert config["checkpoint"]["monitor"] == "val/accuracy"
    assert config["data"] == base.config["data"]
    assert best.read_text().startswith("# found\n")


@pytest.mark.slow
def test_where_a_training_runs_does_not_make_it_another_search(quick: list[str]) -> None:
    here = read_base([*quick, "--trainer.devices", "1", "--trainer.default_root_dir", "a"], None, None, merged)
    there = read_base([*quick, "--trainer.enable_progress_bar", "false"], None, None, merged)
    assert here.settings() == there.settings()
    assert here.settings() != read_base([*quick, "--trainer.max_epochs", "9"], None, None, merged).settings()


@pytest.mark.slow
def test_trials_trust_whom_the_search_trusts(quick: list[str]) -> None:
    with trusting(["mine"]):
        base = read_base([*quick, "--trainer.max_epochs", "3"], None, None, merged)
    assert "--trust=mine" in base.arguments
    assert base.evaluating == [*quick, *(part for part in base.arguments if part.startswith("--trust="))]
