"""Metrics of the same training with several seeds: mean, standard deviation, and how well the mean is known."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from eurosat_cls.search.queue import FOLDER
from eurosat_cls.search.rows import Row
from eurosat_cls.search.space_file import SEED
from eurosat_cls.utils.files import csv_text, write_json, write_text
from eurosat_cls.utils.text import print_table


@dataclass(frozen=True)
class Spread:
    """A metric over seeds.

    Attributes:
        n: number of seeds.
        mean: of the metric.
        std: sample standard deviation, with n - 1; None for one seed.
        low: lower end of the 95 % interval of the mean, by Student's t; None for fewer than three seeds.
        high: upper end of it.
    """

    n: int
    mean: float
    std: float | None = None
    low: float | None = None
    high: float | None = None


def spread_of(values: Sequence[float]) -> Spread:
    """Return mean, standard deviation and interval of some values.

    Example:
        >>> spread = spread_of([0.95, 0.96, 0.97])
        >>> round(spread.mean, 4), round(spread.std, 4), round(spread.low, 4), round(spread.high, 4)
        (0.96, 0.01, 0.9352, 0.9848)
    """
    n, mean = len(values), math.fsum(values) / len(values)
    if n == 1:
        return Spread(n, mean)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    if n == 2:  # t would be 12.7 deviations
        return Spread(n, mean, std)
    half = t_quantile(0.975, n - 1) * std / math.sqrt(n)
    return Spread(n, mean, std, mean - half, mean + half)


def t_quantile(p: float, degrees: int) -> float:
    """Return the quantile of Student's t distribution, for p of 0.5 to 0.999, to about six digits.

    The density (Student, Biometrika 6, 1908) is integrated from 0 by Simpson's rule, and the end found by bisection.

    Example:
        >>> [round(t_quantile(0.975, degrees), 3) for degrees in (1, 4, 30)]
        [12.706, 2.776, 2.042]
    """
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees * math.pi)

    def beyond_half(t: float, steps: int = 2000) -> float:
        h = t / steps
        heights = [math.pow(1 + (i * h) ** 2 / degrees, -(degrees + 1) / 2) for i in range(steps + 1)]
        return scale * h / 3 * (heights[0] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2]) + heights[-1])

    low, high = 0.0, 400.0
    while high - low > 1e-7 * max(1.0, low):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond_half(middle) < p - 0.5 else (low, middle)
    return (low + high) / 2


def write_sweep(rows: Sequence[Row], folder: Path, about: str) -> dict[str, Spread]:
    """Print the spread of every metric; write it to ``seeds.json``, and the metrics of each seed to ``seeds.csv``.

    Args:
        rows: trials that have ended.
        folder: where the files go.
        about: what the metrics are of.
    """
    complete = sorted((row for row in rows if row.state == "complete"), key=lambda row: int(str(row.params[SEED])))
    names = list(dict.fromkeys(name for row in complete for name in row.attrs["metrics"]))
    values = {name: [row.attrs["metrics"][name] for row in complete if name in row.attrs["metrics"]] for name in names}
    spreads = {name: spread_of(found) for name, found in values.items()}
    table = [["seed", "best_epoch", "folder", *names]]
    for row in complete:
        own = [row.attrs["metrics"].get(name, "") for name in names]
        table.append([row.params[SEED], row.attrs.get("epoch", ""), row.attrs.get(FOLDER, ""), *own])
    write_text(folder / "seeds.csv", csv_text(table))
    seeds = [row.params[SEED] for row in complete]
    metrics = {name: {**asdict(spread), "values": values[name]} for name, spread in spreads.items()}
    write_json(folder / "seeds.json", {"seeds": seeds, "about": about, "metrics": metrics})
    _print(spreads, about)
    return spreads


def _print(spreads: dict[str, Spread], about: str) -> None:
    table = Table("metric", title=about)
    for head in ("seeds", "mean", "standard deviation", "95 % interval of the mean"):
        table.add_column(head, justify="right")
    for name, spread in spreads.items():
        known = spread.low is not None and spread.high is not None
        interval = f"{spread.low:.4f} to {spread.high:.4f}" if known else ""
        std = "" if spread.std is None else f"{spread.std:.4f}"
        table.add_row(name, str(spread.n), f"{spread.mean:.4f}", std, interval)
    print_table(table)
