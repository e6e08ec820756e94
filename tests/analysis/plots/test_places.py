"""Maps of patches: whole and true for one patch, a town and the world."""

import numpy as np
import pytest

from eurosat_cls.analysis.places import PatchPlaces
from eurosat_cls.analysis.plots.places import draw_places
from tests.analysis.plots.test_charts import assert_whole

NOBODY = np.empty(0, np.int64)


def places(count: int, span: tuple[float, float], middle: tuple[float, float] = (10.0, 50.0)) -> PatchPlaces:
    rng = np.random.default_rng(0)
    x, y = (m + s * rng.uniform(-0.5, 0.5, count) for m, s in zip(middle, span, strict=True))
    part = np.array(["train", "val", "test", ""])[np.arange(count) % 4]
    blocks = {(a, b, a + 0.2, b + 0.2): str(p) for a, b, p in zip(x[:20].tolist(), y[:20].tolist(), part)}
    return PatchPlaces(np.arange(count), x, y, part, blocks)


@pytest.mark.slow
@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize(
    ("count", "span", "middle"),
    [(1, (0.0, 0.0), (10, 50)), (500, (40, 30), (10, 50)), (500, (0.05, 2), (10, 50)), (500, (5, 0.02), (10, 50)),
     (500, (350, 170), (0, 0)), (40, (300, 4), (0, 87))],
)  # fmt: skip
def test_places_of_any_extent_are_drawn_whole(
    count: int, span: tuple[float, float], middle: tuple[float, float], answered: bool
) -> None:
    found = places(count, span, middle)
    wrong, right = (found.indices[::5], found.indices[1::5]) if answered else (NOBODY, NOBODY)
    figure = draw_places(found, wrong, right, "test: a note")
    assert_whole(figure)
    assert len(figure.axes) == 1 + answered
    assert max(figure.get_size_inches()) < 14


def test_points_are_those_of_their_part_and_their_answer() -> None:
    found = places(40, (40, 30))
    parts, answers = draw_places(found, np.array([2, 6]), np.array([10]), "").axes
    legend = parts.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        f"{name} (5 blocks): 10" for name in ("train", "val", "test", "in no part")
    ]
    right, wrong = (np.asarray(points.get_offsets()) for points in answers.collections)
    assert wrong.tolist() == np.column_stack([found.longitude, found.latitude])[[2, 6]].tolist()
    assert len(right) == 1
