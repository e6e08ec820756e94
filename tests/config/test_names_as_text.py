"""Names in a configuration are text as it is written, and misspelt keys are mistakes whatever stands under them."""

from pathlib import Path

import pytest

from eurosat_cls.cli.configuration import merged
from eurosat_cls.utils.errors import UserError
from tests.config.parsers import parsed
from tests.conftest import CONFIGS

BASE = ("--config", str(CONFIGS / "tiny_resnet18.yaml"))
FOLDER = ("--data", "ImageFolder", "--data.init_args.root", "x")


def with_overlay(text: str, *options: str) -> dict:
    path = Path("overlay.yaml")
    path.write_text(text, encoding="utf-8")
    return parsed("fit", *BASE, *options, "--config", str(path))[0]


WRITTEN = [
    "111",
    "01",
    "no",
    "yes",
    "on",
    "2019-01-01",
    "null",
    "~",
    "1_000",
    "0x10",
    "1e5",
    "1e-3",
    "农田",
    "1.50",
    "true",
]


@pytest.mark.slow
@pytest.mark.parametrize("quote", ["", "'"])
def test_keys_of_class_weights_are_text(quote: str) -> None:
    listed = ", ".join(f"{quote}{name}{quote}: {n + 1}" for n, name in enumerate(WRITTEN))
    weights = with_overlay(f"model: {{init_args: {{class_weights: {{{listed}}}}}}}")["model"]["init_args"][
        "class_weights"
    ]
    assert weights == {name: float(n + 1) for n, name in enumerate(WRITTEN)}
    given = [*BASE, "--model.init_args.class_weights", f"{{{listed}}}"]
    assert parsed("fit", *given)[0]["model"]["init_args"]["class_weights"] == weights
    assert merged(given)["model"]["init_args"]["class_weights"] == weights, "written down and read again"


@pytest.mark.slow
def test_class_names_are_text(tmp_path: Path) -> None:
    folder = "data: {class_path: ImageFolder, init_args: {root: x, class_names: [111, no, 01, 2.50]}}"
    settings = with_overlay(folder)["data"]["init_args"]
    assert settings["class_names"] == ["111", "no", "01", "2.50"]
    option = parsed("fit", *BASE, *FOLDER, "--data.init_args.class_names", "[2019, yes]")[0]["data"]["init_args"]
    assert option["class_names"] == ["2019", "yes"]
    table = "table: x, task: multilabel, label_columns: [2019, no], class_names: null"
    settings = with_overlay(f"data: {{class_path: Table, init_args: {{{table}}}}}")
    assert settings["data"]["init_args"]["label_columns"] == ["2019", "no"]
    assert settings["data"]["init_args"]["class_names"] is None


@pytest.mark.slow
@pytest.mark.parametrize("nothing", ["{}", "null", ""])
@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("modle: %s", "modle: fit has no key 'modle'. Did you mean 'model'"),
        ("bogus: %s", "bogus: fit has no key 'bogus'"),
        ("trainer: {max_epoch: %s}", "trainer has no key 'max_epoch'. Did you mean 'max_epochs'"),
        ("checkpoint: {monitr: %s}", "checkpoint has no key 'monitr'. Did you mean 'monitor'"),
        ("model: {init_args: {encodr: %s}}", "Classifier has no key 'encodr'"),
        ("model: {init_args: {encoder: {init_args: {widthz: %s}}}}", "ResNet has no key 'widthz'"),
        ("data: {init_args: {augment: [{class_path: Shift, init_args: {pixelz: %s}}]}}", "Shift has no key 'pixelz'"),
        ("trainer: {callbacks: [{class_path: EarlyStopping, init_args: {monitor: x, mod: %s}}]}", "no key 'mod'"),
    ],
)
def test_nothing_under_a_misspelt_key_is_a_mistake_at_every_depth(text: str, known: str, nothing: str) -> None:
    with pytest.raises(UserError) as caught:
        with_overlay(text % nothing)
    assert "overlay.yaml:1" in str(caught.value)
    assert known in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "trainer:",
        "model: {init_args: {encoder: {init_args: {}}}}",
        "model: {init_args: {class_weights: {}}}",
        "pictures+: []",
        "images: null",
        "trainer: {max_epochs: null}",
    ],
)
def test_nothing_under_a_key_that_there_is_stays_right(text: str) -> None:
    with_overlay(text)
