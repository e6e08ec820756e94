"""The JSON schema that editors use accepts what the parser accepts, and finds what a person gets wrong."""

import json
from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from eurosat_cls.cli.short_names import VOCABULARY
from eurosat_cls.config.files import read
from eurosat_cls.config.schema import schema
from eurosat_cls.config.tree import plain
from eurosat_cls.utils.errors import UserError
from tests.config.parsers import parsed, parsers
from tests.conftest import CONFIGS


@cache
def validator() -> Any:
    made = json.loads(json.dumps(schema(parsers()[1], VOCABULARY)))
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


@pytest.mark.slow
def test_every_configuration_fits(capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted(CONFIGS.glob("*.yaml")):
        assert not [error.message for error in validator().iter_errors(plain(read(str(path))))], path.name
    with pytest.raises(SystemExit):
        parsed("fit", "--config", str(CONFIGS / "transformer.yaml"), "--print_config")
    whole = yaml.safe_load(capsys.readouterr().out)
    assert not [error.message for error in validator().iter_errors(whole)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "valid"),
    [
        ("trainer: {max_epochs: 3}", True),
        ("trainer: {max_epoch: 3}", False),
        ("trainer: {max_epochs: many}", False),
        ("trainer: {max_epochs: '${hyperparameters.epochs}'}\nhyperparameters: {epochs: 3}", True),
        ("modell: {}", False),
        ("images: folder", True),
        ("pictures+: [GradCAM]", True),
        ("data: {class_path: Demo, init_args: {patches_per_class: 3}}", True),
        ("data: {class_path: Demo, init_args: {patches_per_clas: 3}}", False),
        ("data: {class_path: eurosat_cls.data.Demo, init_args: {patches_per_class: x}}", False),
        ("data: {class_path: my.own.Module, init_args: {anything: 3}}", True),
        ("data: {init_args: {batch_size: 3}}", True),
        (
            "model: {class_path: Classifier, init_args: {encoder: {class_path: ResNet, init_args: {widthz: [1]}}}}",
            False,
        ),
        ("model: {class_path: Classifier, init_args: {encoder: {class_path: ResNet, init_args: {widths: [1]}}}}", True),
        ("model: {class_path: Classifier, init_args: {class_names: [a]}}", False),
    ],
)
def test_what_is_wrong_is_found(config: str, valid: bool) -> None:
    assert validator().is_valid(yaml.safe_load(config)) is valid


@pytest.mark.slow
def test_it_suggests_short_names_and_paths() -> None:
    encoder = validator().schema["$defs"]["Encoder_1"]["anyOf"][0]["anyOf"][0]["enum"]
    assert {"ResNet", "eurosat_cls.encoders.ResNet", "Transformer"} <= set(encoder)
    optimizer = validator().schema["$defs"]["Optimizer_1"]["anyOf"][0]["anyOf"][0]["enum"]
    assert "torch.optim.AdamW" in optimizer


def test_other_completions_are_refused() -> None:
    with pytest.raises(UserError, match="'fish' is not known; there are jsonschema, bash, zsh"):
        parsed("fit", "--print_completion", "fish")
