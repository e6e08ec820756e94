"""YAML as it is read: numbers, anchors, merge keys, and what would grow without bound."""

from pathlib import Path

import pytest

from eurosat_cls.config import files
from eurosat_cls.config.files import read, read_text, read_value
from eurosat_cls.config.limits import MOST_VALUES
from eurosat_cls.config.tree import leaves, plain
from eurosat_cls.utils.errors import UserError


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("1E3", 1000.0), ("-2.5e+1", -25.0), (".5", 0.5), ("1_000", 1000), ("2024-01-01", "2024-01-01"),
     ("0x10", 16), ("yes", True), ("~", None), ("'1e-3'", "1e-3"), ("1e", "1e"), (".inf", float("inf")),
     ("16-mixed", "16-mixed"), ("version_1", "version_1"), ("1.2.3", "1.2.3")],
)  # fmt: skip
def test_scalars_are_what_a_person_expects(text: str, value: object) -> None:
    found = plain(read_text(f"a: {text}", "x"))["a"]
    assert found == value
    assert type(found) is type(value)


def test_anchors_and_merge_keys() -> None:
    text = """
hyperparameters:
  lr: &lr 0.02
  base: &base {lr: *lr, momentum: 0.9}
  more: &more {momentum: 0.8, nesterov: true}
sgd: {<<: *base, lr: 0.1}
both: {<<: [*base, *more]}
"""
    config = plain(read_text(text, "x"))
    assert config["sgd"] == {"lr": 0.1, "momentum": 0.9}
    assert config["both"] == {"lr": 0.02, "momentum": 0.9, "nesterov": True}


def test_every_value_knows_its_line() -> None:
    text = "a:\n  b: 1\n  c:\n  - 2\n  - d: 3\ne: &x\n  f: 4\ng:\n  <<: *x\n"
    lines = {".".join(map(str, path)): node.origin for path, node in leaves(read_text(text, "x.yaml"))}
    expected = {"a.b": 2, "a.c.0": 4, "a.c.1.d": 5, "e.f": 7, "g.f": 7}
    assert lines == {path: f"x.yaml:{line}" for path, line in expected.items()}


def test_a_bomb_of_aliases_is_refused_after_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr(files._Builder, "scalar", lambda self, node: built.append(node) or node.value)
    layers = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(UserError, match="grows to more than 20,000 values by its aliases"):
        read_text("\n".join(["a0: &a0 [x, x, x]", *layers]), "bomb.yaml")
    assert len(built) <= MOST_VALUES


@pytest.mark.parametrize("text", ["a: " + "[" * 200_000, "- " * 100_000, "a: " + "{b: " * 300 + "1" + "}" * 300])
def test_what_would_exhaust_the_stack_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="nested more than 64 deep"):
        read_text(text, "deep.yaml")


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    with open(tmp_path / "large.yaml", "wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(UserError, match="more than the 1,048,576 that are read"):
        read(str(tmp_path / "large.yaml"))


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert plain(read(str(tmp_path / "bom.yaml"))) == {"a": 1}


def test_a_key_twice_in_an_option_is_refused() -> None:
    with pytest.raises(UserError, match=r"^--x: the key 'a' is there twice. Keep one.$"):
        read_value("{a: 1, a: 2}", "--x")
