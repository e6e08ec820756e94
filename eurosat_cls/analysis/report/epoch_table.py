"""``metrics.csv``: the metrics of every epoch."""

from pathlib import Path

from eurosat_cls.utils.files import csv_text, write_text
from eurosat_cls.utils.limits import read_rows


def read_metrics(path: Path) -> dict[int, dict[str, float]]:
    """Return the rows of ``metrics.csv`` by epoch, from 1; none where there is no such file or it is damaged."""
    try:
        return {
            int(row["epoch"]): {name: float(value) for name, value in row.items() if name != "epoch" and value}
            for row in read_rows(path)
        }
    except (ValueError, KeyError):
        return {}


def write_metrics(path: Path, rows: dict[int, dict[str, float]]) -> None:
    """Write the rows, by epoch; an empty cell is a metric that an epoch does not have."""
    names = sorted({name for row in rows.values() for name in row})
    lines = [[epoch, *(row.get(name, "") for name in names)] for epoch, row in sorted(rows.items())]
    write_text(path, csv_text([["epoch", *names], *lines]))
