"""Charts of classes: whole, legible and true with two and with sixty classes."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from eurosat_cls.analysis.calibration import reliability
from eurosat_cls.analysis.plots.calibration import draw_calibration
from eurosat_cls.analysis.plots.class_curves import draw_class_scores, draw_precision_recall, draw_roc
from eurosat_cls.analysis.plots.class_list import GREY
from eurosat_cls.analysis.plots.label_counts import draw_label_counts
from eurosat_cls.analysis.plots.style import LIGHT
from eurosat_cls.analysis.ranking import rank_classes
from eurosat_cls.models.tasks import task_for
from eurosat_cls.models.temperature import fit_temperature
from eurosat_cls.utils.class_colours import class_colours
from tests.analysis.plots.test_charts import assert_whole, names


def outcome(classes: int, ease: float = 3.0, n: int = 1500) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, classes, (n,), generator=generator)
    logits = torch.randn(n, classes, generator=generator)
    logits[torch.arange(n), target] += ease
    return logits, target


def assert_list_is_legible(axes: object, count: int) -> None:
    labels = [label for one in axes for label in one.get_yticklabels()]  # type: ignore[attr-defined]
    assert len(labels) == count
    for one in axes:  # type: ignore[attr-defined]
        boxes = [label.get_window_extent() for label in one.get_yticklabels()]
        assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(boxes))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 10, 60])
def test_scores_over_epochs(classes: int) -> None:
    f1 = np.random.default_rng(0).uniform(0.4, 1, (30, classes))
    f1[:, 0] = np.nan
    figure = draw_class_scores(range(1, 31), f1, names(classes))
    assert_whole(figure)
    *lists, lines = figure.axes
    assert_list_is_legible(lists, classes)
    assert lists[-1].get_yticklabels()[-1].get_text() == "HerbaceousVegetation0  none"
    assert len(lines.lines) == classes
    colours = [line.get_color() for line in lines.lines]
    assert sum(colour != GREY for colour in colours) == (7 if classes > 12 else classes)
    assert figure.get_size_inches()[0] < 20


@pytest.mark.parametrize("classes", [3, 10, 30])
def test_a_class_has_one_colour_in_all_charts(classes: int) -> None:
    class_names, scores = names(classes), np.random.default_rng(1).random((2, classes)) * 0.9
    own = class_colours(class_names)
    assert len(set(own)) == classes
    rankings = rank_classes(task_for("multiclass", class_names), *outcome(classes))
    figures = [draw_class_scores([1, 2], scores, class_names), draw_roc(rankings, class_names)]
    figures.append(draw_precision_recall(rankings, class_names))
    for figure in figures:
        drawn = sorted((len(line.get_xdata()), line.get_color()) for line in figure.axes[-1].lines)  # type: ignore[arg-type]
        coloured = {str(colour) for _, colour in drawn} - {GREY, LIGHT}
        assert coloured <= set(own)
        assert len(coloured) >= min(classes, 7)
    positive = draw_roc(rankings[1:2], class_names[1:2], positive=True).axes[-1].lines[0]
    assert positive.get_color() == own[1], "also where the second class stands alone"
    bars = draw_label_counts(np.arange(classes), np.arange(classes), class_names).axes[0].patches
    assert to_hex(bars[0].get_facecolor()) == own[0]


def test_one_epoch_is_drawn() -> None:
    assert_whole(draw_class_scores([1], np.array([[0.5, 0.0]]), names(2)))


@pytest.mark.slow
@pytest.mark.parametrize("draw", [draw_precision_recall, draw_roc])
@pytest.mark.parametrize("classes", [1, 2, 10, 60])
def test_curves(draw: object, classes: int) -> None:
    rankings = rank_classes(task_for("multiclass", names(max(classes, 2))), *outcome(max(classes, 2)))[:classes]
    figure = draw(rankings, names(classes), "a note")  # type: ignore[operator]
    assert_whole(figure)
    assert_list_is_legible(figure.axes[:-1], classes)


def test_the_area_below_a_drawn_curve_is_the_figure_in_the_list() -> None:
    rankings = rank_classes(task_for("multiclass", names(3)), *outcome(3, ease=1.0))
    lines = draw_precision_recall(rankings, names(3)).axes[-1].lines
    for line, ranking in zip(lines, rankings, strict=True):
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        assert line.get_drawstyle() == "steps-pre"
        assert float((np.diff(x) * y[1:]).sum()) == pytest.approx(ranking.average_precision)


def test_classes_without_patches_have_no_curve() -> None:
    logits, target = outcome(3)
    for draw in (draw_precision_recall, draw_roc):
        figure = draw(rank_classes(task_for("multiclass", names(3)), logits, target.clamp(max=1)), names(3), "")
        assert_whole(figure)
        curves = [line for line in figure.axes[-1].lines if len(np.asarray(line.get_xdata())) > 2]
        assert len(curves) == 2


def test_axes_begin_at_a_corner_only_where_the_curves_are() -> None:
    easy, hard = (
        draw_precision_recall(rank_classes(task_for("multiclass", names(3)), *outcome(3, ease)), names(3))
        for ease in (8.0, 1.0)
    )
    assert easy.axes[-1].get_xlim()[0] > 0.89
    assert "corner from 0.9" in " ".join(text.get_text() for text in easy.texts)
    assert hard.axes[-1].get_xlim()[0] < 0


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 10, 60])
def test_label_counts(classes: int) -> None:
    true = np.arange(classes) * 100
    predicted = true[::-1].copy()
    figure = draw_label_counts(true, predicted, names(classes), "test")
    assert_whole(figure)
    written = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert len(written) == classes
    assert written[0] == f"{(classes - 1) * 100:+,d}"
    assert_whole(draw_label_counts(np.zeros(2, int), np.zeros(2, int), names(2)))


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 30, 1500])
def test_calibration(n: int) -> None:
    logits, target = outcome(4, n=n)
    temperature = fit_temperature(logits, target, "multiclass")
    before, after = (reliability(logits, target, "multiclass", t) for t in (1.0, temperature))
    words = ("the predicted class", "where it is right")
    figure = draw_calibration(before, after, temperature, words, "test, 1,500 patches")
    assert_whole(figure)
    hollow, filled = 0, 0
    for points in figure.axes[0].collections:
        count, white = len(np.asarray(points.get_offsets())), np.asarray(points.get_facecolor())[0, :3].min() == 1
        hollow, filled = hollow + count * white, filled + count * (not white)
    assert hollow + filled == sum(int((one.count > 0).sum()) for one in (before, after))
    assert filled == sum(int((one.count >= 10).sum()) for one in (before, after))
