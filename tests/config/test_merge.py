"""What an overlay changes, keeps and drops."""

from typing import Any

import pytest

from eurosat_cls.config.arguments import sort
from eurosat_cls.config.files import read_text
from eurosat_cls.config.merge import Dropped, merge, same_class
from eurosat_cls.config.tree import Node, nearest, plain

BASE = """
model:
  class_path: Classifier
  init_args:
    optimizer: {class_path: AdamW, init_args: {lr: 0.1, weight_decay: 0.05}}
    loss: FocalLoss
    class_weights: {River: 2.0}
data: {class_path: EuroSAT, init_args: {bands: all, augment: [{class_path: Flip}, {class_path: Shift}]}}
trainer: {max_epochs: 3, callbacks: [{class_path: Freeze}]}
"""


def layered(*overlays: str, options: tuple[str, ...] = ()) -> tuple[dict[str, Any], list[Dropped]]:
    dropped: list[Dropped] = []
    tree = read_text(BASE, "base.yaml")
    for layer in [*(read_text(text, "over.yaml") for text in overlays), *sort(options).layers]:
        tree = merge(tree, layer, dropped)
    return plain(tree), dropped


def part(config: dict[str, Any], name: str) -> Any:
    return config["model"]["init_args"][name]


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        ("{class_path: SGD, init_args: {lr: 0.2}}", {"class_path": "SGD", "init_args": {"lr": 0.2}}),
        ("SGD", {"class_path": "SGD"}),
        ("{class_path: SGD}", {"class_path": "SGD"}),
        ("{class_path: AdamW, init_args: {lr: 0.2}}",
         {"class_path": "AdamW", "init_args": {"lr": 0.2, "weight_decay": 0.05}}),
        ("{class_path: torch.optim.AdamW, init_args: {lr: 0.2}}",
         {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.2, "weight_decay": 0.05}}),
        ("{init_args: {lr: 0.2}}", {"class_path": "AdamW", "init_args": {"lr": 0.2, "weight_decay": 0.05}}),
        ("{lr: 0.2}", {"class_path": "AdamW", "init_args": {"lr": 0.2, "weight_decay": 0.05}}),
        ("null", None),
    ],
)  # fmt: skip
def test_a_class_starts_from_its_own_defaults(overlay: str, expected: Any) -> None:
    config, dropped = layered(f"model: {{init_args: {{optimizer: {overlay}}}}}")
    found = part(config, "optimizer")
    assert found == expected
    kept = isinstance(found, dict) and "weight_decay" in found.get("init_args", {})
    assert ("weight_decay" in str(dropped)) is not kept


def test_a_dropped_argument_is_told_with_both_places() -> None:
    _, dropped = layered("data:\n  class_path: Demo")
    assert dropped[0].text == "data.init_args.bands: all  (base.yaml:8; data is Demo instead of EuroSAT (over.yaml:2))"


def test_an_option_that_names_another_class_drops_the_arguments_too() -> None:
    config, dropped = layered(options=("--data", "Demo", "--data.patches_per_class", "5"))
    assert config["data"] == {"class_path": "Demo", "init_args": {"patches_per_class": "5"}}
    assert [item.path[-1] for item in dropped if item.path[-2] == "init_args"] == ["bands"]


def test_other_values_are_replaced_and_groups_are_merged() -> None:
    config, dropped = layered("{model: {init_args: {class_weights: {Forest: 3.0}}}, trainer: {precision: 16-mixed}}")
    assert part(config, "class_weights") == {"Forest": 3.0}
    assert config["trainer"] == {"max_epochs": 3, "callbacks": [{"class_path": "Freeze"}], "precision": "16-mixed"}
    assert not dropped


def test_an_option_changes_one_value_of_a_mapping_or_the_last_of_a_list() -> None:
    options = ("--model.init_args.class_weights.Forest", "3", "--data.init_args.augment.pixels", "2")
    config, _ = layered(options=options)
    assert part(config, "class_weights") == {"River": 2.0, "Forest": "3"}
    shift = {"class_path": "Shift", "init_args": {"pixels": "2"}}
    assert config["data"]["init_args"]["augment"] == [{"class_path": "Flip"}, shift]


def test_a_plus_adds_to_a_list_whoever_writes_it() -> None:
    config, _ = layered("trainer: {callbacks+: [{class_path: WeightAverage}]}", options=("--trainer.callbacks+", "X"))
    assert config["trainer"]["callbacks"] == [{"class_path": "Freeze"}, {"class_path": "WeightAverage"}, "X"]
    config, _ = layered("pictures+: GradCAM", "pictures+: [Projector]")
    assert config["pictures+"] == ["GradCAM", "Projector"]


def test_arguments_reach_a_class_that_stands_there_by_its_name() -> None:
    config, _ = layered(options=("--model.init_args.loss.gamma", "1"))
    assert part(config, "loss") == {"class_path": "FocalLoss", "init_args": {"gamma": "1"}}


def test_an_option_wins_over_a_later_file() -> None:
    tree = Node({}, "")
    for layer in sort(["--trainer.max_epochs", "3", "--config", "{trainer: {max_epochs: 5}}"]).layers:
        tree = merge(tree, layer)
    assert plain(tree) == {"trainer": {"max_epochs": "3"}}


def test_origins_survive() -> None:
    tree = merge(read_text(BASE, "base.yaml"), read_text("trainer:\n  precision: 16-mixed", "over.yaml"))
    assert nearest(tree, ("trainer", "precision"))[0].origin == "over.yaml:2"
    assert nearest(tree, ("trainer", "max_epochs"))[0].origin == "base.yaml:9"


def test_one_class_has_several_names() -> None:
    assert same_class("eurosat_cls.encoders.ResNet", "eurosat_cls.encoders.resnet.ResNet")
    assert same_class("ResNet", "eurosat_cls.encoders.ResNet")
    assert not same_class("nowhere.ResNet", "eurosat_cls.encoders.ResNet")
