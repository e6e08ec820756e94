"""Space files say what varies, or what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from eurosat_cls.search.space import Space
from eurosat_cls.search.space_file import read_overlays, read_seeds, read_space
from eurosat_cls.utils.errors import UserError
from tests.conftest import CONFIGS

OPTIMIZERS = """
optimizer:
  - class_path: torch.optim.SGD
    init_args: {lr: {low: 1e-3, high: 0.1, log: true}, betas: [0.9, 0.99]}
  - class_path: torch.optim.AdamW
    init_args: {amsgrad: {choices: [true, false]}}
"""


def read(tmp_path: Path, text: str) -> Space:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return read_space(path)


def test_a_choice_of_a_class_has_parameters_of_its_own(tmp_path: Path) -> None:
    space = read(tmp_path, OPTIMIZERS)
    chosen = {"optimizer": "SGD", "optimizer[SGD].init_args.lr": 0.02}
    init = {"lr": 0.02, "betas": [0.9, 0.99]}
    assert space.overlay(chosen) == {"optimizer": {"class_path": "torch.optim.SGD", "init_args": init}}
    other = {"optimizer": "AdamW", "optimizer[AdamW].init_args.amsgrad": True}
    assert space.overlay(other)["optimizer"]["init_args"] == {"amsgrad": True}
    tried = [yaml.safe_dump(overlay) for overlay in space.samples()]
    for text in ("SGD", "AdamW", "lr: 0.001", "lr: 0.1", "amsgrad: true", "amsgrad: false"):
        assert any(text in overlay for overlay in tried), text


def test_a_grid_is_every_combination_with_conditional_ones_where_they_apply(tmp_path: Path) -> None:
    space = read(tmp_path, "a.b: {low: 0.1, high: 0.3, step: 0.1}\nk: {low: 1, high: 2}\n")
    assert [space.overlay(point) for point in space.combinations()] == [
        {"a": {"b": b}, "k": k} for k in (1, 2) for b in (0.1, 0.2, 0.3)
    ]
    classes = read(tmp_path, OPTIMIZERS.replace("{low: 1e-3, high: 0.1, log: true}", "{choices: [0.1, 0.2, 0.3]}"))
    assert len(classes.combinations()) == 3 + 2


def test_a_key_inside_of_a_choice_is_set_on_top_of_it(tmp_path: Path) -> None:
    space = read(tmp_path, "o.init_args.lr: [0.5]\no: [{class_path: A}, {class_path: B, init_args: {m: 1}}]")
    overlay = space.overlay({"o": "B", "o.init_args.lr": 0.5})
    assert overlay == {"o": {"class_path": "B", "init_args": {"m": 1, "lr": 0.5}}}
    again = space.overlay({"o": "A", "o.init_args.lr": 0.5})
    assert again == {"o": {"class_path": "A", "init_args": {"lr": 0.5}}}, "the choice itself stays as it was read"


WRONG = {
    "": "is empty",
    "- 1": "holds no keys",
    "a: [": r"space.yaml:\d: not valid YAML",
    "a: " + "[" * 100: "nested more than 64 deep",
    "a: {low: 1, high: 1}": "the range is empty: low 1 is not below high 1",
    "a: {low: 2, high: 1}": "the range is empty",
    "a: {low: 0, high: 1, log: true}": "needs low above 0",
    "a: {low: 1}": "has no high",
    "a: {low: x, high: 1}": "low: 'x' is no number",
    "a: {low: .nan, high: 1}": "low: nan is no number",
    "a: {low: true, high: 2}": "low: True is no number",
    "a: {low: 1, high: 2, log: 3}": "log: 3 is neither",
    "a: {low: 1, high: 8, step: 0}": "step 0",
    "a: {low: 1, high: 8, step: 9}": "step 9",
    "a: {low: 1, high: 8, step: 1, log: true}": "log or step, not both",
    "a: {low: 1, high: 8, lgo: true}": "not lgo",
    "a: 3": "neither a range .* belongs into a --config file",
    "a: []": "the list of values is empty",
    "a: [1, 2, 1]": "1 is listed twice",
    "a: [0, false]": "False is listed twice",
    "a: {b: [1, 2]}": "write the dotted key in full, such as a.b",
    "a..b: [1, 2]": "no dotted key",
    "a: [1]\na: [2]": "'a' is there twice",
    "a: [1, {c: 2}]\na.b: [2]": "a.b lies inside of a",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_with_its_file_and_key(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=WRONG[text]) as told:
        read(tmp_path, text)
    assert "space.yaml" in str(told.value)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a: {low: 0.0, high: 1.0}", "a: a grid needs a step"),
        ("a: {low: 1, high: 9999}\nb: [1, 2]", "more than 10,000 combinations"),
    ],
)
def test_a_grid_that_never_ends_is_refused(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=match):
        read(tmp_path, text).combinations()


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,1", "0-2,1", "-1", "1.5", "0-4294967296", "0-99999"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--seeds"):
        read_seeds(text)


def test_overlays_are_points_by_the_names_of_their_files(tmp_path: Path) -> None:
    contents: dict[str, Any] = {"a": {"x": 1}, "b": {"y": {"z": [2]}}}
    paths = [tmp_path / f"{name}.yaml" for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_text(yaml.safe_dump(content))
    space = read_overlays(paths)
    assert [space.overlay(point) for point in space.combinations()] == list(contents.values())
    assert space.combinations()[0] == {"overlay": "a"}
    with pytest.raises(UserError, match="named twice"):
        read_overlays([paths[0], paths[0]])
    paths[0].write_text("")
    with pytest.raises(UserError, match=r"a\.yaml: holds no settings"):
        read_overlays(paths)


def test_the_space_of_the_repository_can_be_read() -> None:
    assert len(read_space(CONFIGS / "spaces" / "tiny_resnet18.yaml").entries) == 6
