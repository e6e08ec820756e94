"""Run folders that revision 2584f08 left (``former/``) load, test and go on, under the names of today."""

import importlib
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

import eurosat_cls
from eurosat_cls.analysis.describe import describe_checkpoint
from eurosat_cls.analysis.report.run import read_run
from eurosat_cls.checkpoints.files import read_checkpoint
from eurosat_cls.checkpoints.runs import find_checkpoint
from eurosat_cls.cli import main
from eurosat_cls.config import former_names
from tests.conftest import exit_code

FORMER = Path(__file__).parent / "former"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FORMER, tmp_path / "lightning_logs"))


@pytest.mark.slow
def test_a_former_classifier_scores_as_it_did(runs: Path) -> None:
    before = json.loads((runs / "classifier/test.json").read_text())
    main(["test", "--config", str(runs / "classifier/config.yaml"), "--ckpt_path", "best", "--pictures", "[]"])
    after = json.loads((runs / "classifier/test.json").read_text())
    for name in ("test/loss", "test/accuracy"):
        assert after[name] == pytest.approx(before[name], abs=1e-4)


@pytest.mark.slow
def test_a_former_classifier_goes_on(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--config", str(runs / "classifier/config.yaml"), "--ckpt_path", "last", "--trainer.max_epochs", "3"]
    main(["fit", *options, "--pictures", "[]"])
    told = capsys.readouterr()
    assert "as in the checkpoint" not in told.err.replace("trainer.max_epochs: 3, not 2 as in the checkpoint", "")
    saved = read_checkpoint(runs / "classifier/checkpoints/last.ckpt")
    assert saved["epoch"] == 2
    first = read_checkpoint(FORMER / "classifier/checkpoints/last.ckpt")
    assert saved["global_step"] == 3 * first["global_step"] / 2
    kept = [state for key, state in saved["callbacks"].items() if key.startswith("Checkpoints")]
    best = [state for key, state in first["callbacks"].items() if key.startswith("Checkpoints")]
    assert kept[0]["best_score"] >= best[0]["best_score"], "the best epoch so far is remembered"


@pytest.mark.slow
def test_a_former_autoencoder_goes_on(runs: Path) -> None:
    config = runs / "autoencoder/config.yaml"
    main(["fit", "--config", str(config), "--ckpt_path", "last", "--trainer.max_epochs", "2", "--pictures", "[]"])
    saved = read_checkpoint(runs / "autoencoder/checkpoints/last.ckpt")
    assert saved["hyper_parameters"]["masking"]["init_args"] == {"cell_size": 8, "mask_ratio": 0.5}
    assert saved["epoch"] == 1


def test_a_former_checkpoint_loads_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    model = eurosat_cls.load(FORMER / "classifier")
    found = model.predict(torch.zeros(2, 3, 64, 64, dtype=torch.uint8).random_())
    assert found.probabilities.shape == (2, 10)
    assert capsys.readouterr().err.count("cannot be checked") == 1


@pytest.mark.slow
def test_former_runs_are_upgraded_from_their_own_data(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("classifier", "autoencoder"):
        main(["upgrade", str(runs / name)])
        assert "unit, input_statistics, patch_size added" in capsys.readouterr().out
        before, after = (read_checkpoint(root / name / "checkpoints/last.ckpt") for root in (FORMER, runs))
        assert all(torch.equal(before["state_dict"][key], after["state_dict"][key]) for key in before["state_dict"])
        assert after["hyper_parameters"]["unit"]["dtype"] == "uint8"
        assert after["hyper_parameters"]["input_statistics"]["size"] == [64, 64]
        assert after["Demo"] == {**before["Demo"], "patch_size": 64}
    main(["upgrade", str(runs / "classifier")])
    assert "up to date" in capsys.readouterr().out
    images = torch.full((2, 3, 64, 64), 90, dtype=torch.uint8)
    old, new = (eurosat_cls.load(root / "classifier").predict(images) for root in (FORMER, runs))
    assert (old.probabilities == new.probabilities).all()
    capsys.readouterr()
    main(["test", "--config", str(runs / "classifier/config.yaml"), "--ckpt_path", "best", "--pictures", "[]"])
    assert "cannot be checked" not in capsys.readouterr().err


@pytest.mark.slow
def test_an_upgrade_from_other_data_writes_nothing(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = runs / "classifier/checkpoints/best.ckpt"
    before = file.read_bytes()
    assert exit_code(["upgrade", str(runs / "classifier"), "--data.init_args.data_seed", "9"]) == 2
    assert "these are not the patches that it was trained on" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert exit_code(["upgrade", str(runs / "absent")]) == 2
    assert "not a run folder" in capsys.readouterr().err


def test_what_a_former_run_was_is_told(runs: Path) -> None:
    assert "CellMasking" in yaml.safe_dump(read_run(runs / "autoencoder").config)
    assert "mask_ratio" in yaml.safe_dump(read_run(runs / "autoencoder").config)
    assert "val/accuracy 0.1333" in str(describe_checkpoint(runs / "classifier"))


def test_the_best_checkpoint_of_a_former_run_is_found(runs: Path) -> None:
    config = former_names.present_settings(yaml.safe_load((runs / "classifier/config.yaml").read_text()))
    path, differences = find_checkpoint("best", runs, config)
    assert path == runs / "classifier/checkpoints/best.ckpt"
    assert not differences


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--data.init_args.augment=[{class_path: Dihedral, init_args: {off_last_epochs: 1}}]", "'disable_last_epochs'"),
        ("--data.init_args.augment=[{class_path: Shift, init_args: {fill: mirror}}]", "reflect | zero"),
    ],
)
def test_old_names_in_a_config_of_ones_own_are_refused_with_the_new_ones(
    option: str, message: str, quick: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["fit", *quick, option]) == 2
    assert message in capsys.readouterr().err


def test_an_old_key_that_resembles_nothing_names_the_new_one(capsys: pytest.CaptureFixture[str]) -> None:
    masking = "{class_path: CellMasking, init_args: {share: 0.5}}"
    code = exit_code(["fit", "--model=AutoEncoder", f"--model.init_args.masking={masking}", "--data=Demo"])
    assert code == 2
    assert "CellMasking has no key 'share'. It is called 'mask_ratio' now." in capsys.readouterr().err


def test_every_name_in_the_table_exists() -> None:
    for module in former_names.MODULES.values():
        importlib.import_module(module)
    callbacks = importlib.import_module("eurosat_cls.callbacks")
    assert all(hasattr(callbacks, name) for name in former_names.CLASSES.values())
