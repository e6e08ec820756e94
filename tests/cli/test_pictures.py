"""Pictures that are asked for where none can be drawn are told."""

import warnings
from collections.abc import Callable

import pytest
from lightning.pytorch import LightningModule

from eurosat_cls.callbacks import ConfusionMatrix
from eurosat_cls.cli.pictures import warn_of_undrawn
from eurosat_cls.config.tree import Node

Run = Callable[..., tuple[int, str]]


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("command", "picture", "told"),
    [
        ("validate", "ConfusionMatrix", "--pictures+ has no effect: validate draws nothing, fit and test do"),
        ("test", "LearningCurves", "--pictures+: LearningCurves is not drawn by test"),
        ("test", "{class_path: AttentionMaps}", "--pictures+: AttentionMaps is not drawn by test"),
        ("test", "ConfusionMatrix", ""),
    ],
)
def test_a_picture_that_a_command_cannot_draw_is_told(run: Run, command: str, picture: str, told: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert run(command, "--ckpt_path", "best", "--pictures+", picture)[0] == 0
    assert [str(each.message) for each in caught if "--pictures" in str(each.message)] == [told] * bool(told)


def test_a_picture_for_classifiers_is_told_so_where_there_is_none() -> None:
    asked = Node({"pictures+": Node([Node("ConfusionMatrix", "--pictures+")], "--pictures+")}, "")
    written = Node({"pictures+": Node([Node("ConfusionMatrix", "a.yaml:3")], "a.yaml:3")}, "")
    with pytest.warns(UserWarning, match=r"--pictures\+: ConfusionMatrix is for classifiers, not for LightningModule"):
        warn_of_undrawn(asked, "fit", [ConfusionMatrix()], LightningModule())
    warn_of_undrawn(written, "fit", [ConfusionMatrix()], LightningModule())
