"""References to other keys and to environment variables."""

from typing import Any

import pytest

from eurosat_cls.config.compose import compose
from eurosat_cls.config.files import read_text
from eurosat_cls.config.references import resolve
from eurosat_cls.config.tree import nearest, plain
from eurosat_cls.utils.errors import UserError


def resolved(text: str, **environ: str) -> dict[str, Any]:
    return dict(plain(resolve(read_text(text, "x.yaml"), environ)[0]))


def test_a_lone_reference_keeps_the_type_and_one_in_a_text_becomes_text() -> None:
    text = """
hyperparameters:
  {lr: 0.1, fast: true, widths: [16, 32], part: {class_path: SGD, init_args: {lr: '${hyperparameters.lr}'}}}
a: ${hyperparameters.lr}
b: run-${hyperparameters.lr}-${hyperparameters.fast}
c: ${ hyperparameters.widths }
d: ${hyperparameters.part}
e: ${d.init_args.lr}
f: ${c.1}
"""
    assert resolved(text) == {"a": 0.1, "b": "run-0.1-true", "c": [16, 32], "e": 0.1, "f": 32,
                              "d": {"class_path": "SGD", "init_args": {"lr": 0.1}}}  # fmt: skip


def test_environment_variables_are_text_with_an_optional_default() -> None:
    text = "{a: '${env:ROOT}', b: '${env:NONE,data}', c: '${env:NONE,}', d: '${env:ROOT}/x', e: '$${env:ROOT}'}"
    assert resolved(text, ROOT="/here") == {"a": "/here", "b": "data", "c": "", "d": "/here/x", "e": "${env:ROOT}"}


def test_an_overlay_and_an_option_change_what_is_referred_to() -> None:
    first = "{hyperparameters: {lr: 0.1}, a: '${hyperparameters.lr}', b: '${c}', c: 1}"
    args = ["--config", first, "--config", "{hyperparameters: {lr: 0.2}}", "--c", "5"]
    tree = compose(args, "fit", {"fit": ["a", "b", "c"]}).tree
    assert plain(tree) == {"a": 0.2, "b": "5", "c": "5"}
    assert nearest(tree, ("b",))[0].origin == "text of --config:1, ${c} of --c"


def test_a_reference_may_stand_inside_what_it_refers_to_a_part_of() -> None:
    assert resolved("a: {b: '${a.c}', c: 1}") == {"a": {"b": 1, "c": 1}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: ${nothing}", r"x.yaml:2: \$\{nothing\} refers to a key that no file or option sets"),
        ("data: {init_args: {size: 3}}\nb: ${size}", r"Did you mean \$\{data.init_args.size\}\?"),
        ("a: ${b}\nb: ${c}\nc: x${a}", "x.yaml:1: references lead in a circle: x.yaml:1, x.yaml:2, x.yaml:3"),
        ("a:\n  b: ${a}", "x.yaml:2: references lead in a circle"),
        ("a: ${env:NOWHERE}", "x.yaml:1: the environment variable 'NOWHERE' is not set"),
        ("a: ${}", "refers to a key that no"),
        ("a: x${b}\nb: {c: 1}", r"x.yaml:1: \$\{b\} is a mapping, which cannot be part of a text"),
        ("a: 1\nb: ${a.c}", r"x.yaml:2: \$\{a.c\} refers to"),
    ],
)
def test_wrong_references_are_named_with_file_and_line(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        resolved(text)


def test_a_bomb_of_references_is_refused() -> None:
    layers = [f"a{n}: [" + ", ".join([f"'${{a{n - 1}}}'"] * 9) + "]" for n in range(1, 12)]
    with pytest.raises(UserError, match="grows to more than 20,000 values by its references"):
        resolved("\n".join(["a0: [x, x, x]", *layers]))


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("hyperparameters: {lr: 0.1, wd: 0.2}\na: ${hyperparameters.lr}", ["hyperparameters.wd"]),
        ("hyperparameters: {lr: &lr 0.1}\na: *lr", []),
        ("hyperparameters: &h {lr: 0.1, wd: 0.2}\na: {<<: *h}", []),
        ("hyperparameters: {all: {lr: 0.1, wd: 0.2}}\na: ${hyperparameters.all}", []),
    ],
)
def test_a_value_that_nothing_refers_to_is_a_warning(text: str, unused: list[str]) -> None:
    _, warnings = resolve(read_text(text, "x.yaml"))
    assert [warning.split()[1] for warning in warnings] == unused


def test_changing_what_only_an_anchor_repeats_is_a_warning() -> None:
    base = "{hyperparameters: {lr: &lr 0.1}, a: *lr}"
    done = compose(["--config", base, "--hyperparameters.lr", "0.2"], "fit", {"fit": ["a"]})
    assert plain(done.tree) == {"a": 0.1}
    assert done.warnings[0].startswith("--hyperparameters.lr: hyperparameters.lr has no effect")


def test_keys_of_other_commands_are_left_out_unless_they_are_options() -> None:
    keys = {"fit": ["a"], "predict": ["a", "images"]}
    args = ["--config", "{a: 1, images: x, other: 2}"]
    assert plain(compose(args, "fit", keys).tree) == {"a": 1, "other": 2}
    assert plain(compose([*args, "--images", "y"], "fit", keys).tree) == {"a": 1, "images": "y", "other": 2}
