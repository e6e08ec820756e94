"""What a search has found."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eurosat_cls.analysis.plots.style import BLUE, LIGHT, ORANGE, VERMILION, shortened, tidy
from eurosat_cls.search.rows import format_value
from eurosat_cls.utils.figures import new_figure

if TYPE_CHECKING:
    from eurosat_cls.search.rows import Row

MOST_BARS, MOST_AXES = 15, 9
NOT_DECIDED = "(not used)"  # a parameter of a class that a trial did not choose


def draw_history(rows: Sequence["Row"], monitor: str, mode: str, name: str) -> Figure:
    """Draw the figure of each trial, and the best one so far.

    Args:
        rows: trials with a value, by number.
        monitor: what the figure is.
        mode: ``max`` or ``min``.
        name: of the study.
    """
    better = max if mode == "max" else min
    complete = [row for row in rows if row.state == "complete"]
    best = better((row.value for row in complete if row.value is not None), default=None)
    note = f"{name}: {len(rows)} trials" + ("" if best is None else f", best {best:.4f}")
    figure = new_figure(8, 4.6, f"Search: {monitor} by trial", note)
    axes = figure.add_subplot()
    for state, marker, colour in (("complete", "o", BLUE), ("pruned", "x", ORANGE), ("failed", "v", VERMILION)):
        chosen = [row for row in rows if row.state == state]
        if chosen:
            axes.plot([r.number for r in chosen], [r.value or 0.0 for r in chosen], marker, color=colour, markersize=6,
                      label=f"{state} ({len(chosen)})")  # fmt: skip
    if complete:
        so_far = np.array([row.value for row in complete], dtype=float)
        so_far = np.maximum.accumulate(so_far) if mode == "max" else np.minimum.accumulate(so_far)
        numbers = [row.number for row in complete]
        axes.step([*numbers, max(row.number for row in rows)], [*so_far, so_far[-1]], where="post", color=VERMILION,
                  linewidth=1.5, label="best so far", zorder=1)  # fmt: skip
    axes.set_xlabel("trial", fontsize=9)
    axes.set_ylabel(monitor, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.03, y=0.08)
    tidy(axes)
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=9, loc="outside lower center", ncols=4)
    return figure


def draw_importance(importance: Mapping[str, float], note: str) -> Figure:
    """Draw the share of each parameter, the largest on top.

    Args:
        importance: shares of 1 by name.
        note: what they are of.
    """
    shown = sorted(importance.items(), key=lambda item: item[1])[-MOST_BARS:]
    figure = new_figure(8, 1.3 + 0.36 * len(shown), "Search: what decides whether a trial is good", note)
    axes = figure.add_subplot()
    bars = axes.barh([shortened(name, 34) for name, _ in shown], [share for _, share in shown], color=BLUE, height=0.65)
    axes.bar_label(bars, [f"{share:.2f}" for _, share in shown], padding=3, fontsize=9)
    axes.set_xlim(0, 1.12 * max(share for _, share in shown) or 1.0)
    axes.set_xlabel("share of the importance", fontsize=9)
    tidy(axes)
    return figure


def draw_parallel(rows: Sequence["Row"], monitor: str, mode: str, name: str) -> Figure:
    """Draw every trial as a line through its parameters to its figure; the best one is drawn strong.

    Args:
        rows: trials with a value, by number.
        monitor: what the figure is.
        mode: ``max`` or ``min``.
        name: of the study.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.params))
    varied = [n for n in names if len({repr(row.params.get(n, NOT_DECIDED)) for row in rows}) > 1] or names
    shown = varied[:MOST_AXES]
    left_out = f"; {len(varied) - len(shown)} parameters are left out" if len(varied) > len(shown) else ""
    figure = new_figure(
        max(7.0, 1.6 * (len(shown) + 1) + 1.2), 5.2, "Search: parameters and metric of each trial", name + left_out
    )
    axes = figure.add_subplot()
    values = np.array([row.value for row in rows], dtype=float)
    columns = [_column([row.params.get(n, NOT_DECIDED) for row in rows]) for n in shown]
    columns.append(_column(values.tolist()))
    # Brightest is best, whichever way the figure goes; an outlier does not take all of the colours.
    low, high = np.quantile(values, [0.1, 1.0]) if mode == "max" else np.quantile(values, [0.0, 0.9])
    beyond = 0.0 if high > low else max(0.01 * abs(low), 1e-3)
    norm = Normalize(float(low) - beyond, float(high) + beyond)
    colours = colormaps["viridis" if mode == "max" else "viridis_r"]
    best = int(np.argmax(values) if mode == "max" else np.argmin(values))
    for i in np.argsort(values if mode == "max" else -values):
        heights = [float(column[0][i]) for column in columns]
        strong = i == best
        axes.plot(range(len(columns)), heights, color=colours(norm(values[i])), zorder=3 if strong else 2,
                  linewidth=3 if strong else 1.3, alpha=1.0 if strong else 0.75,
                  linestyle="-" if rows[i].state == "complete" else ":")  # fmt: skip
    for x, (_, ticks) in enumerate(columns):
        _scale(axes, x, ticks)
    axes.set_xticks(range(len(columns)), [_wrapped(n) for n in (*shown, monitor)], fontsize=9)
    axes.tick_params(axis="x", length=0, pad=8)
    axes.set_yticks([])
    axes.set_ylim(-0.04, 1.04)
    axes.set_xlim(-0.1, len(columns) - 1 + 0.55)
    axes.spines[["left", "right", "top", "bottom"]].set_visible(False)
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes, pad=0.02, fraction=0.04, aspect=30)
    bar.set_label(f"{monitor}; thick: best, dotted: pruned or failed", fontsize=9)
    bar.ax.tick_params(labelsize=9)
    return figure


def _column(values: Sequence[Any]) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Heights of values from 0 to 1, and (height, text) of the ticks."""
    numbers = [float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    on_a_scale = len(numbers) == len(values) or any(not number.is_integer() for number in numbers)
    if not on_a_scale or len({*numbers}) < 2:
        return _categories(values)
    logarithmic = min(numbers) > 0 and max(numbers) / min(numbers) >= 30
    scaled = [math.log(v) if logarithmic else v for v in numbers]
    low, span = min(scaled), max(scaled) - min(scaled)
    floor = 0.12 if len(numbers) < len(values) else 0.0  # the lowest place is for those without
    place = {v: floor + (1 - floor) * (s - low) / span for v, s in zip(numbers, scaled, strict=True)}
    heights = np.array([place[float(v)] if isinstance(v, (int, float)) else 0.0 for v in values])
    marks = [low + span * i / 4 for i in range(5)]
    distinct = sorted({*numbers})
    whole = all(v.is_integer() for v in distinct)
    shown = [math.exp(m) if logarithmic else m for m in marks]
    if whole:
        shown = distinct if len(distinct) <= 6 else sorted({float(round(v)) for v in shown})
    ticks = [
        (floor + (1 - floor) * ((math.log(v) if logarithmic else v) - low) / span, _number(v, shown)) for v in shown
    ]
    return heights, [*([(0.0, NOT_DECIDED)] if floor else []), *ticks]


def _number(value: float, shown: Sequence[float]) -> str:
    """Write a tick with as many digits as tell it from its neighbours, whole numbers as such.

    Example:
        >>> _number(128.0, [32.0, 64.0, 128.0]), _number(0.00125, [0.001, 0.00125])
        ('128', '0.0013')
    """
    if all(float(v).is_integer() for v in shown):
        return str(int(value))
    for digits in range(2, 6):
        if len({f"{v:.{digits}g}" for v in shown}) == len(shown):
            break
    return f"{value:.{digits}g}"


def _categories(values: Sequence[Any]) -> tuple[np.ndarray, list[tuple[float, str]]]:
    texts = [format_value(v) for v in values]
    different = sorted(dict.fromkeys(texts), key=lambda text: (text == NOT_DECIDED, text), reverse=True)
    place = {text: 0.5 if len(different) == 1 else k / (len(different) - 1) for k, text in enumerate(different)}
    ticks = [(place[text], shortened(text, 18)) for text in different]
    return np.array([place[text] for text in texts]), ticks if len(ticks) <= 12 else []


def _scale(axes: Axes, x: int, ticks: Sequence[tuple[float, str]]) -> None:
    """Draw an upright axis with the text of its ticks to the right."""
    axes.plot([x, x], [0, 1], color=LIGHT, linewidth=1.5, zorder=1)
    for height, text in ticks:
        axes.plot([x - 0.02, x + 0.02], [height, height], color="#555555", linewidth=1, zorder=4)
        axes.text(x + 0.05, height, text, fontsize=8, va="center", zorder=5,
                  bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6})  # fmt: skip


def _wrapped(name: str) -> str:
    r"""Break a long name in two, after the dot or underscore that is nearest to its middle.

    Example:
        >>> _wrapped("optimizer[SGD].weight_decay")
        'optimizer[SGD].\nweight_decay'
    """
    text = shortened(name, 34)
    breaks = [i + 1 for i, letter in enumerate(text[:-1]) if letter in "._"]
    if len(text) <= 14 or not breaks:
        return text
    middle = min(breaks, key=lambda i: abs(i - len(text) / 2))
    return f"{text[:middle]}\n{text[middle:]}"
