"""From the end of a training to predictions, the test, exports and maps: what says whether to believe an answer."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import eurosat_cls
from eurosat_cls.checkpoints.files import SafeCheckpointIO, read_checkpoint
from eurosat_cls.data import Demo
from eurosat_cls.models.evidence import nonconformity
from eurosat_cls.models.evidence_fit import fit_evidence
from eurosat_cls.models.temperature import fit_temperature
from eurosat_cls.scenes.settings import MapOptions
from tests.conftest import exit_code

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
BEST = RUN / "checkpoints/best.ckpt"


def without_statistics(path: Path) -> None:
    checkpoint = read_checkpoint(path)
    del checkpoint["evidence"]
    SafeCheckpointIO().save_checkpoint(checkpoint, path)


def predictions() -> list[dict[str, str]]:
    with open(RUN / "predictions.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.usefixtures("trained")
def test_predictions_say_whether_to_believe_them(run: Run) -> None:
    for name in ("best", "last"):
        kept = read_checkpoint(RUN / f"checkpoints/{name}.ckpt")
        assert kept["evidence"]["distances"].shape == kept["evidence"]["scores"].shape == (40,)
    assert run("predict", "--ckpt_path", "best", "--error_rate", "0.1", "--min_familiarity", "0.3")[0] == 0
    rows = predictions()
    unfamiliar = [row for row in rows if float(row["familiarity"]) < 0.3]
    assert {row["predicted"] for row in unfamiliar} == {"unfamiliar"}
    assert 0 < len(unfamiliar) < len(rows)
    assert all(name in rows[0] for row in rows for name in row["set"].split("|") if name)
    held = sum(row["file"].split("/")[0] in row["set"].split("|") for row in rows)
    code, printed = run("test", "--ckpt_path", "best", "--error_rate", "0.1")
    assert code == 0
    assert "sets of classes that hold the truth, by error rate: 0.1: " in printed
    tested = json.loads((RUN / "test.json").read_text())
    assert tested["conformal"]["0.1"]["coverage"] == pytest.approx(held / 40)
    assert set(tested["conformal"]["0.1"]["per_class"]) == set(tested["per_class"])
    assert set(tested["accuracy_over_coverage"]) == {"confidence", "familiarity"}
    assert tested["accuracy_over_coverage"]["confidence"]["1"] == pytest.approx(tested["test/accuracy"])
    assert "sets with the truth" in (RUN / "report.html").read_text()
    code, printed = run("predict", "--ckpt_path", "best", "--error_rate", "0.01")
    assert code == 2
    assert "the 40 validation patches allow rates from 0.0244 on" in printed


@pytest.mark.usefixtures("trained")
def test_a_checkpoint_from_before_names_the_way_out_which_works(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = read_checkpoint(BEST)["evidence"]
    without_statistics(BEST)
    for option in (["--min_familiarity", "0.1"], ["--error_rate", "0.1"]):
        code, printed = run("predict", "--ckpt_path", "best", *option)
        assert code == 2
        assert printed.splitlines()[-1].endswith("python -m eurosat_cls upgrade RUN adds them.")
    assert run("predict", "--ckpt_path", "best")[0] == 0
    assert "familiarity" not in predictions()[0]
    assert "no familiarity and no sets of classes: the checkpoint has no" in run("test", "--ckpt_path", "best")[1]
    assert exit_code(["upgrade", str(RUN)]) == 0
    assert "best.ckpt: statistics of familiarity and error rates added" in capsys.readouterr().out
    again = read_checkpoint(BEST)["evidence"]
    for name, values in kept.items():
        torch.testing.assert_close(again[name], values, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("trained")
def test_to_find_statistics_changes_neither_weights_nor_what_is_drawn() -> None:
    model, data = eurosat_cls.load(RUN), Demo(patches_per_class=20, batch_size=40)
    model.train()
    before, random = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    assert fit_evidence(model, data, torch.no_grad) is not None
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert model.training


@pytest.mark.usefixtures("trained")
def test_eight_views_have_scores_and_a_temperature_of_their_own(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    views = ["--model.init_args.test_time_augmentation", "true"]
    one = read_checkpoint(BEST)["evidence"]
    assert "of one view; python -m eurosat_cls upgrade RUN" in run("test", "--ckpt_path", "best", *views)[1]
    assert "conformal" not in json.loads((RUN / "test.json").read_text())
    with pytest.warns(UserWarning, match=r"model\.calibrate: .* of one view"):
        code, printed = run("predict", "--ckpt_path", "best", "--model.init_args.calibrate", "true", *views)
    assert code == 0
    code, printed = run("predict", "--ckpt_path", "best", "--error_rate", "0.1", *views)
    assert (code, "error: --error_rate: the checkpoint's error rates" in printed) == (2, True)
    assert exit_code(["upgrade", str(RUN), *views]) == 0, capsys.readouterr().err
    assert "up to date" not in capsys.readouterr().out

    model, data = eurosat_cls.load(RUN), Demo(patches_per_class=20, batch_size=40)
    patches, target = torch.from_numpy(data.read(data.split.val)), torch.from_numpy(data.store.labels[data.split.val])
    familiar = model.examine(patches)[1]
    assert model.answering_temperature == model.temperature
    model.test_time_augmentation = True
    with torch.inference_mode():
        logits, over_views = model.examine(patches)
    assert torch.equal(over_views, familiar), "the features are those of the first view in both"
    temperature = fit_temperature(logits, target, "multiclass")
    assert float(model.answering_temperature) == pytest.approx(temperature, rel=1e-4)
    scores = nonconformity((logits / temperature).softmax(1), target).sort().values
    torch.testing.assert_close(model.evidence.view_scores, scores, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(model.evidence.scores, one["scores"], rtol=1e-3, atol=1e-4)

    assert "sets of classes that hold the truth" in run("test", "--ckpt_path", "best", *views)[1]
    tested = json.loads((RUN / "test.json").read_text())
    assert tested["conformal"]["0.1"]["threshold"] == pytest.approx(float(scores[36]), abs=1e-3)
    assert tested["calibration"]["temperature"] == pytest.approx(temperature, rel=1e-4)


@pytest.mark.usefixtures("trained")
def test_a_training_over_eight_views_finds_their_statistics_itself() -> None:
    model, data = eurosat_cls.load(RUN), Demo(patches_per_class=20, batch_size=40)
    once = fit_evidence(model, data, torch.no_grad)
    model.test_time_augmentation = True
    several = fit_evidence(model, data, torch.no_grad)
    assert once is not None
    assert several is not None
    for name, values in once.plain().items():
        torch.testing.assert_close(several.plain()[name], values)
    assert set(several.plain()) - set(once.plain()) == {"view_scores", "view_temperature"}
    assert model.test_time_augmentation


@pytest.mark.usefixtures("trained")
def test_maps_leave_unfamiliar_cells_undecided() -> None:
    model, patches = eurosat_cls.load(RUN), Demo(patches_per_class=20).read(list(range(0, 200, 20)))
    found = model.predict(patches).familiarity
    assert found is not None
    least, most = patches[found.argmin()], patches[found.argmax()]
    options = MapOptions(step=64, min_familiarity=float(found.min() + found.max()) / 2)
    mapped = eurosat_cls.map_scene(model, np.concatenate([most, least], axis=2), options=options)
    assert mapped.classes[0, 0] < 10
    assert mapped.classes[0, 1] == 254
    assert mapped.probabilities.shape == (10, 1, 2)
