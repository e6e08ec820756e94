"""A checkpoint that meets another split than its own."""

import numpy as np
import pytest

from eurosat_cls.data.splits import Split
from eurosat_cls.data.splits.check import check_split
from eurosat_cls.utils.errors import UserError

NOTHING = np.empty(0, dtype=np.int64)


def split(method: str, sha256: str = "ab" * 32) -> Split:
    return Split(NOTHING, NOTHING, NOTHING, sha256, method)


def saved(method: str) -> dict[str, str]:
    return {"split_sha256": "cd" * 32, "split_method": method}


@pytest.mark.parametrize("state", [{}, {"split_sha256": "ab" * 32}, {"split_sha256": "ab" * 32, "split_method": "x"}])
def test_the_same_split_is_silent(state: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    check_split(state, split("random"), "best.ckpt", resuming=False)
    check_split(state, split("random"), "best.ckpt", resuming=True)
    assert capsys.readouterr() == ("", "")


def test_another_split_is_named_with_both_methods(capsys: pytest.CaptureFixture[str]) -> None:
    check_split(saved("official"), split("random"), "best.ckpt", resuming=False)
    warning = capsys.readouterr().err
    assert all(word in warning for word in ("warning", "best.ckpt", "official", "random", "cdcdcd", "ababab"))
    assert "spatial" not in warning


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("random", "spatial"), ("official", "official-spatial"), ("spatial", "random"), ("official-spatial", "lists")],
)
def test_mixing_random_and_spatial_is_said_plainly(theirs: str, ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    check_split(saved(theirs), split(ours), "best.ckpt", resuming=False)
    warning = capsys.readouterr().err
    assert "random and a spatial split are mixed" in warning
    assert "80.8 %" in warning


def test_two_spatial_splits_or_an_unknown_one_are_not_called_mixed(capsys: pytest.CaptureFixture[str]) -> None:
    check_split(saved("official-spatial"), split("spatial"), "best.ckpt", resuming=False)
    check_split({"split_sha256": "cd" * 32}, split("spatial"), "best.ckpt", resuming=False)
    warnings = capsys.readouterr().err
    assert warnings.count("warning") == 2
    assert "are mixed" not in warnings


def test_a_training_does_not_go_on_with_another_split() -> None:
    with pytest.raises(UserError, match="continue it with the same split"):
        check_split(saved("spatial"), split("random"), "last.ckpt", resuming=True)
