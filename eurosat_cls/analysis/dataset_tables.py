"""The statistics of the data: tables on the terminal, and a file."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from eurosat_cls.analysis.dataset import counts_of, nanometres_of, statistics_of
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.statistics import PERCENTILES, Statistics
from eurosat_cls.utils.files import write_json, writing
from eurosat_cls.utils.text import print_table


def write_statistics(data: PatchDataModule, folder: Path) -> Path:
    """Print the statistics of the data as tables, and write them to ``statistics.json`` in this folder.

    Raises:
        UserError: when the folder cannot be written.
    """
    statistics, counts = statistics_of(data), counts_of(data)
    nanometres: Sequence[float | None] = nanometres_of(data.bands) or [None] * len(data.bands)
    print_table(_band_table(statistics, nanometres), _class_table(data, counts))
    split = data.split
    if data.store.multilabel:
        print("a patch counts in each of its classes")
    print(f"data: {data.store.source}\nsplit: {split.method}, SHA-256 {split.sha256}")
    by_band = {
        name: {
            "wavelength_nm": nanometre,
            **{key: float(getattr(statistics, key)[c]) for key in ("mean", "std", "minimum", "maximum")},
            "percentiles": dict(zip(map(str, PERCENTILES), statistics.percentiles[c].tolist(), strict=True)),
        }
        for c, (name, nanometre) in enumerate(zip(statistics.bands, nanometres, strict=True))
    }
    plain = statistics.plain()
    by_class = {
        name: {part: counts[part][k] for part in counts}
        | {"mean": plain["class_mean"][k], "std": plain["class_std"][k]}
        for k, name in enumerate(data.class_names)
    }
    path = folder / "statistics.json"
    content = {
        **data.state_dict(), "dtype": statistics.dtype, "patches": {p: len(rows) for p, rows in split.parts().items()},
        "bands": by_band, "classes": by_class,
        "histograms": {name: {"edges": e, "counts": c} for name, e, c in
                       zip(statistics.bands, plain["edges"], plain["histogram"], strict=True)},
    }  # fmt: skip
    with writing(path):
        write_json(path, content)
    print(f"written to {path}")
    return path


def _band_table(statistics: Statistics, nanometres: Sequence[float | None]) -> Table:
    table = Table("band", title=f"{statistics.patches:,} training patches, {statistics.dtype}")
    for head in ("nm", "mean", "std", "min", "1 %", "median", "99 %", "max"):
        table.add_column(head, justify="right")
    columns = zip(
        statistics.mean, statistics.std, statistics.minimum, statistics.percentile(1),
        statistics.percentile(50), statistics.percentile(99), statistics.maximum, strict=True,
    )  # fmt: skip
    for name, nanometre, row in zip(statistics.bands, nanometres, columns, strict=True):
        table.add_row(name, "" if nanometre is None else f"{nanometre:.0f}", *(_number(value) for value in row))
    return table


def _number(value: float) -> str:
    """Write a number with two decimals, a whole number without, a small or large one with five digits.

    Example:
        >>> _number(1234.5), _number(255.0), _number(0.0123456)
        ('1234.50', '255', '0.012346')
    """
    if value == round(value):
        return f"{value:.0f}" if abs(value) < 1e9 else f"{value:.5g}"
    return f"{value:.2f}" if 0.1 <= abs(value) < 1e7 else f"{value:.5g}"


def _class_table(data: PatchDataModule, counts: dict[str, list[int]]) -> Table:
    parts, labels = data.split.parts(), data.store.labels
    table = Table("class", *counts, "all", title="patches by class")
    for column in table.columns[1:]:
        column.justify = "right"
    rows = {name: [counts[part][k] for part in counts] for k, name in enumerate(data.class_names)}
    if data.store.multilabel:
        rows["(no label)"] = [int((labels[indices].sum(1) == 0).sum()) for indices in parts.values()]
    for name, numbers in rows.items():
        table.add_row(name, *(f"{number:,}" for number in (*numbers, sum(numbers))))
    table.add_section()
    sizes = [len(indices) for indices in parts.values()]
    table.add_row("patches", *(f"{size:,}" for size in (*sizes, sum(sizes))))
    return table
