"""From Python: what ``fit`` leaves, and that ``evaluate`` and ``predict`` are the commands' in memory."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import eurosat_cls
from eurosat_cls import Classifier, Evaluation, UserError, evaluate, fit, load, predict
from eurosat_cls.callbacks import ConfusionMatrix
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet
from tests.conftest import QUICK, REPOSITORY

CLASSES = ["Forest", "River", "SeaLake"]
PATCHES = np.random.default_rng(0).integers(0, 255, (6, 2, 16, 16), np.uint8)


def classifier(**settings: Any) -> Classifier:
    torch.manual_seed(0)
    return Classifier(lambda c: ResNet(c, (8, 8), (1, 1)), CLASSES, ["B04", "B03"], **settings)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(classifier(), PATCHES, ["Forest", 1, np.int64(2), "Forest", "River", torch.tensor(2)])


def test_everything_public_is_there_and_nothing_else() -> None:
    for name in eurosat_cls.__all__:
        assert getattr(eurosat_cls, name) is not None
    assert set(eurosat_cls.__all__) <= set(dir(eurosat_cls))
    code = (
        "import sys, eurosat_cls; dir(eurosat_cls); assert not {'torch', 'lightning', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(eurosat_cls.__file__).parents[1])


@pytest.mark.slow
def test_what_the_page_shows_is_the_run_of_the_command_and_its_test(
    run: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    page = (REPOSITORY / "docs" / "how-to" / "python.md").read_text()
    code = "".join(re.findall(r"```python\n(.*?)```", page, re.S)).replace('"demo"', "QUICK").replace(": 3}", ": 1}")
    names: dict[str, Any] = {"QUICK": {**QUICK, "pictures": [{"class_path": "LearningCurves"}]}}
    exec(code, names)
    printed, found, evaluation = capsys.readouterr(), names["run"], names["evaluation"]
    assert len(names["predictions"].names) == 4
    assert "epoch 1/1" in printed.err
    assert len((printed.out + printed.err).splitlines()) < 20
    assert found.folder == Path("lightning_logs/version_0")
    assert set(found.metrics) >= {"val/accuracy", "train/loss"}
    assert list(found.figures) == ["curves"]
    assert isinstance(found.model, Classifier)
    assert not found.model.training

    assert run("test", "--ckpt_path", "best")[0] == 0
    tested = json.loads((found.folder / "test.json").read_text())
    assert evaluation.metrics == pytest.approx({name: tested[name] for name in evaluation.metrics}, abs=1e-6)
    assert evaluation.confusion_matrix.tolist() == tested["confusion_matrix"]
    assert evaluation.per_class == tested["per_class"]

    data = Demo(20, batch_size=40)
    images, labels = data.read(data.split.test), data.store.labels[data.split.test]
    same = evaluate(found.folder, images, [data.class_names[label] for label in labels])
    for said in (same.predictions, predict(found.model, images), predict(found.model, data)):
        np.testing.assert_allclose(said.probabilities, evaluation.predictions.probabilities, atol=1e-6)
        assert said.names == evaluation.predictions.names
    assert not list(Path().glob("*.png"))


@pytest.mark.slow
def test_pictures_are_figures_that_a_notebook_shows(evaluation: Evaluation, tmp_path: Path) -> None:
    (figure,) = evaluation.figures(ConfusionMatrix()).values()
    assert type(figure)._repr_png_(figure).startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert list(evaluation.figures("Calibration", "Misclassified")) == ["calibration_test", "misclassified"]
    assert not list(tmp_path.iterdir())


def test_numbers_are_those_of_the_patches_in_their_order(evaluation: Evaluation) -> None:
    assert evaluation.true == ["Forest", "River", "SeaLake", "Forest", "River", "SeaLake"]
    assert evaluation.files == list("012345")
    right = np.mean([true == said for true, said in zip(evaluation.true, evaluation.predictions.names, strict=True)])
    assert evaluation.metrics["test/accuracy"] == pytest.approx(right)
    assert evaluation.confusion_matrix.sum(axis=1).tolist() == [2, 2, 2]


def test_several_labels_are_collections_of_names_or_zeros_and_ones() -> None:
    model = classifier(task="multilabel")
    named = evaluate(model, PATCHES[:3], [["Forest", "SeaLake"], [], "River"])
    ones = evaluate(model, PATCHES[:3], np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]]))
    assert named.true == ones.true == ["Forest|SeaLake", "", "River"]
    assert named.metrics == ones.metrics
    with pytest.raises(UserError, match=r"labels\[0\]: expected names of classes, or 0 or 1 for each of the 3"):
        evaluate(model, PATCHES[:1], [[0, 2, 1]])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((PATCHES,), "patches need labels"),
        ((PATCHES, ["Forest"]), "labels: there are 1 for 6 patches"),
        ((PATCHES, 3), "labels: expected one for each patch, got int"),
        ((PATCHES, ["Rivr"] * 6), r"labels\[0\]: the model knows no class 'Rivr'. Did you mean 'River'"),
        ((PATCHES, [3] * 6), r"labels\[0\] is 3: expected the name of a class, or a number from 0 to 2"),
        ((PATCHES, [0.5] * 6), r"labels\[0\] is 0.5"),
        ((PATCHES[:, :1], ["Forest"] * 6), "the model takes"),
        ((np.full((6, 2, 16, 16), np.nan), ["Forest"] * 6), "NaN"),
        ((["absent.png"], ["Forest"]), "absent.png: No such file"),
        ((Demo(20),), "the class_names of the model are Forest, River, SeaLake; those of the data are Demo"),
        ((Demo(20), ["Forest"]), "a data module has labels of its own"),
    ],
)
def test_what_cannot_be_evaluated_is_said(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        evaluate(classifier(), *arguments)


def test_what_is_no_model_or_no_picture_is_said(evaluation: Evaluation) -> None:
    with pytest.raises(UserError, match="absent: there is no such checkpoint"):
        predict("absent", PATCHES)
    with pytest.raises(UserError, match="expected a Classifier, or the path of"):
        predict(3, PATCHES)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"no picture 'ConfusionMatri'\. Did you mean 'ConfusionMatrix'"):
        evaluation.figures("ConfusionMatri")


@pytest.mark.parametrize(
    ("config", "overrides", "said"),
    [
        ("tiny_resnt18", {}, "Did you mean 'tiny_resnet18'"),
        (3, {}, "config: expected a file, a name, a mapping, or a list of them, got int"),
        ({}, {}, "empty, there are no settings"),
        ({"modl": {}}, {}, "no key 'modl'. Did you mean 'model'"),
        ("tiny_resnet18", {"trainer.max_epoch": 1}, "no key 'max_epoch'. Did you mean 'max_epochs'"),
        ("tiny_resnet18", {"trainer.max_epochs": "many"}, "--trainer.max_epochs: expected int"),
        ("tiny_resnet18", {"trainer.max_epochs": object()}, "trainer.max_epochs: <object .* is no setting"),
        ("tiny_resnet18", {"model.init_args.optimizer.init_args.lr": float("nan")}, "lr: nan is no setting"),
        ("tiny_resnet18", {"print_config": ""}, "overrides: 'print_config' is no dotted key"),
        ("tiny_resnet18", {"config": "demo"}, "overrides: 'config' is no dotted key"),
        ("tiny_resnet18", {"a b": 1}, "overrides: 'a b' is no dotted key"),
        ("tiny_resnet18", ["trainer.max_epochs"], "overrides: expected a mapping of dotted keys to values, got list"),
    ],
)
def test_a_mistake_is_an_error_and_never_an_exit(config: Any, overrides: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        fit(config, overrides)
    assert not Path("lightning_logs").exists()


def test_load_is_what_run_folders_are_loaded_with() -> None:
    with pytest.raises(UserError, match="absent"):
        load("absent")
