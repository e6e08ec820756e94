"""Turn the label columns of a table into class names and labels, or say in which row they make no sense."""

import re
from collections.abc import Iterable, Sequence

from eurosat_cls.data.store.store_spec import Label
from eurosat_cls.data.table_file import TableFile
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import did_you_mean, nearest, some
from eurosat_cls.utils.text import class_label

Labels = tuple[list[str], list[Label]]  # the class names, and the label of each row

_TRUTH = {"0": 0, "1": 1, "false": 0, "true": 1, "no": 0, "yes": 1}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NO_VALUE = ("nan", "<na>", "nat")  # what other programs write where there is none
_OTHER_SEPARATORS = ("|", ";", ",")


def one_of_several(table: TableFile, column: str, class_names: Sequence[str] | None, separator: str) -> Labels:
    """Return the labels of a column with a class name in each row.

    ``class_names`` are in label order; None for those in the column, whole numbers by size, names sorted. The separator
    would join several labels, which is refused here.

    Raises:
        UserError: for empty or unknown labels, fractions, a class without rows, one class only.
    """
    values = _values(table, column, class_names)
    if class_names is None:
        for place, value in zip(table.places, values, strict=True):
            if separator in value:
                way_out = "set data.task: multilabel, or list it in data.class_names"
                raise UserError(f"{table.path}, {place}: label {value!r} joins several by {separator!r}; {way_out}")
        if len(values) > 2 and len(set(values)) == len(values):
            raise UserError(f"{table.path}: column {column!r} has another value in each row; does it hold the labels?")
        class_names = _sorted(table, column, values)
    return _indexed(table, column, values, class_names)


def one_of_two(table: TableFile, column: str, class_names: Sequence[str] | None, positive: str | None) -> Labels:
    """Return the labels of a column with two values: 0 and 1, false and true, no and yes, or two class names.

    ``class_names`` are the negative and the positive class, by default the two names sorted; for truth values ``not
    <column>`` and ``<column>``. ``positive`` says which of them is the positive class, if it is not the second.

    Raises:
        UserError: for anything but two classes.
    """
    values = _values(table, column, class_names)
    distinct = sorted({value.lower() for value in values})
    truth = all(value in _TRUTH for value in distinct)
    if class_names is not None and len(class_names) != 2:
        raise UserError(f"data.class_names: task binary needs two names, got {len(class_names)}.")
    names = list(class_names or ([f"not {column}", column] if truth else []))
    if truth and not set(names) & set(values):
        labels: list[Label] = [_TRUTH[value.lower()] for value in values]
        _check_all_used(table, names, labels)
    else:
        if not names:
            names = _sorted(table, column, values)
            strange = [row for row, value in enumerate(values) if value.lower() not in _TRUTH]
            if len(names) != 2 and len(strange) < len(values):
                row = strange[0]
                expected = "expected 0 or 1 (or true and false, yes and no)"
                raise UserError(f"{table.path}, {table.places[row]}: {column} is {values[row]!r}, {expected}")
            if len(names) != 2:
                count = f"column {column!r} has {len(names)}"
                raise UserError(f"data.task: binary needs two classes, {count}: {some(names)}")
        names, labels = _indexed(table, column, values, names)
    if positive is not None and positive not in names:
        raise UserError(f"data.positive: {positive!r} is not a class; the classes are {', '.join(names)}")
    if positive == names[0]:
        names.reverse()
        labels = [1 - label for label in labels if isinstance(label, int)]
    return names, labels


def any_of_several(table: TableFile, column: str, class_names: Sequence[str] | None, separator: str) -> Labels:
    """Return the labels of a column whose cells name any number of classes; naming one twice counts once.

    Names are joined by the separator, or are a list in a Parquet file. ``class_names`` are as in
    :func:`one_of_several`.

    Raises:
        UserError: for unknown labels, a class without rows, and cells that seem to be joined by something else.
    """
    cells = table.columns[column]
    split = [cell if isinstance(cell, list) else [name.strip() for name in cell.split(separator)] for cell in cells]
    named = [sorted({class_label(name) for name in names if name}) for names in split]
    _refuse_empty(table, column, named, class_names)
    if class_names is None:
        if not any(separator in cell for cell in cells if isinstance(cell, str)):
            _refuse_other_separator(table, column, separator)
        class_names = _sorted(table, column, [name for names in named for name in names])
        if not class_names:
            raise UserError(f"{table.path}: column {column!r} names no class in any row")
    _refuse_unknown(table, named, class_names)
    label_of = {name: label for label, name in enumerate(class_names)}
    labels: list[Label] = [tuple(sorted(label_of[name] for name in names)) for names in named]
    _check_all_used(table, class_names, labels)
    return list(class_names), labels


def column_each(table: TableFile, columns: Sequence[str]) -> Labels:
    """Return the labels of columns of 0 and 1 (or false and true, no and yes), one for each class.

    Raises:
        UserError: for any other value, naming row and column, and for a column without a 1.
    """
    present: list[list[int]] = [[] for _ in table.places]
    for label, column in enumerate(columns):
        for row, value in enumerate(table.texts(column)):
            if value.lower() not in _TRUTH:
                raise UserError(f"{table.path}, {table.places[row]}: {column} is {value!r}, expected 0 or 1")
            if _TRUTH[value.lower()]:
                present[row].append(label)
    labels: list[Label] = [tuple(row) for row in present]
    names = list(map(class_label, columns))
    _check_all_used(table, names, labels)
    return names, labels


def _values(table: TableFile, column: str, class_names: Sequence[str] | None) -> list[str]:
    """Return the names of classes in a column in which none may be empty."""
    values = list(map(class_label, table.texts(column)))
    _refuse_empty(table, column, [[value] for value in values], class_names)
    return values


def _refuse_empty(
    table: TableFile, column: str, named: Iterable[Sequence[str]], class_names: Sequence[str] | None
) -> None:
    """Refuse rows with an empty name, or with what stands for none unless that is one of ``class_names``."""
    none = {"", *_NO_VALUE} - set(map(str.lower, class_names or ()))
    empty = [place for place, names in zip(table.places, named, strict=True) if none & set(map(str.lower, names))]
    if empty:
        raise UserError(f"{table.path}: {len(empty)} rows have no label in column {column!r}: {some(empty)}")


def _sorted(table: TableFile, column: str, values: Sequence[str]) -> list[str]:
    """Return the distinct values in label order; numbers with fractions are measurements and no classes."""
    distinct = set(values)
    if not distinct or not all(_NUMBER.fullmatch(value) for value in distinct):
        return sorted(distinct)
    if fractions := [value for value in values if float(value) % 1]:
        place = "" if len(values) != len(table.places) else f", {table.places[values.index(fractions[0])]}"
        raise UserError(
            f"{table.path}{place}: {column} is {fractions[0]}, a number with a fraction; a class is a name or a whole "
            "number"
        )
    return sorted(distinct, key=lambda value: (float(value), value))


def _indexed(table: TableFile, column: str, values: Sequence[str], class_names: Sequence[str]) -> Labels:
    """Return the position of each value in ``class_names``."""
    _refuse_unknown(table, [[value] for value in values], class_names)
    label_of = {name: label for label, name in enumerate(class_names)}
    labels: list[Label] = [label_of[value] for value in values]
    if len(class_names) < 2:
        raise UserError(f"{table.path}: column {column!r} has one class only, {class_names[0]}; two are needed")
    _check_all_used(table, class_names, labels)
    return list(class_names), labels


def _refuse_unknown(table: TableFile, named: Iterable[Sequence[str]], class_names: Sequence[str]) -> None:
    known = set(class_names)
    unknown = [(row, name) for row, names in enumerate(named) for name in names if name not in known]
    if unknown:
        row, name = unknown[0]
        hint = did_you_mean(nearest(name, class_names)) or f" data.class_names has {some(list(class_names))}"
        raise UserError(
            f"{table.path}: {len(unknown)} labels are not in data.class_names, first {name!r} in {table.places[row]}."
            f"{hint}"
        )


def _refuse_other_separator(table: TableFile, column: str, separator: str) -> None:
    for place, cell in zip(table.places, table.columns[column], strict=True):
        for other in _OTHER_SEPARATORS:
            if other in cell and isinstance(cell, str):
                raise UserError(
                    f"{table.path}, {place}: {cell!r} holds no {separator!r} but {other!r}: set data.separator, or "
                    "data.class_names if that is one name"
                )


def _check_all_used(table: TableFile, class_names: Sequence[str], labels: Iterable[Label]) -> None:
    used = {k for label in labels for k in ((label,) if isinstance(label, int) else label)}
    if unused := [name for label, name in enumerate(class_names) if label not in used]:
        raise UserError(f"{table.path}: no row has class {some(unused)}")
