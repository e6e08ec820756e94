"""A table of image files and their labels."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from eurosat_cls.data.files.walk import spelt_on_disk
from eurosat_cls.data.labelled_files import PART_NAMES, LabelledFiles, LabelledFilesModule, file_states
from eurosat_cls.data.table_file import TableFile, read_table
from eurosat_cls.data.table_labels import Labels, any_of_several, column_each, one_of_several, one_of_two
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import some
from eurosat_cls.utils.text import class_label


class Table(LabelledFilesModule):
    """Images that a CSV or Parquet file lists, one in each row, with one label or several.

    The images are as :class:`~eurosat_cls.data.image_folder.ImageFolder` takes them. Tables and images are only read.

    Args:
        table: the table, CSV in UTF-8 (divided by commas, semicolons or tabs, the first line naming the columns) or
            Parquet.
        root: folder that the file names start from; by default the table's own. No file may lie outside it.
        file_column: column of the file names.
        label_column: column of the labels. For ``multiclass`` a class name or a whole number; for ``binary`` two names
            (the second in alphabetical order is the positive class), 0 and 1, false and true or no and yes; for
            ``multilabel`` names joined by ``separator`` (none where the cell is empty), or a list as Parquet, Python
            or JSON have one.
        label_columns: for ``multilabel``, columns of 0 and 1 named like the classes, instead of ``label_column``.
        separator: between the labels in a cell.
        positive: the positive class of a ``binary`` task, if it is not the second.
        split_column: column with train, val (or valid, validation) or test for each file, or nothing for files that
            are not used; what ``split: official`` means. To divide such files in another way without meaning to is an
            error.
        shared: see :class:`~eurosat_cls.data.labelled_files.LabelledFilesModule`.

    Raises:
        UserError: for settings that contradict each other; for a table that is unreadable, empty or lacks a column; for
            missing files, files outside ``root`` or in two rows; for labels that make no sense; and for files that
            cannot be used.
    """

    kind = "table"

    def __init__(
        self,
        table: str,
        root: str | None = None,
        file_column: str = "file",
        label_column: str = "label",
        label_columns: list[str] | None = None,
        separator: str = "|",
        positive: str | None = None,
        split_column: str | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.table = Path(table).expanduser().absolute()
        self.root = self.table.parent if root is None else Path(root).expanduser().absolute()
        self.file_column, self.label_column, self.label_columns = file_column, label_column, label_columns
        self.separator, self.positive, self.split_column = separator, positive, split_column
        self._check_settings()

    def _check_settings(self) -> None:
        """Refuse settings that the task has no use for."""
        if not self.separator:
            raise UserError("data.separator is empty.")
        if self.positive is not None and self.task != "binary":
            raise UserError(f"data.positive is for task binary, not {self.task}.")
        if self.label_columns is None:
            return
        if self.task != "multilabel":
            raise UserError(f"data.label_columns are for task multilabel; for {self.task} use label_column.")
        if not self.label_columns or len(set(self.label_columns)) < len(self.label_columns):
            raise UserError(f"data.label_columns: {self.label_columns} must name a column, and none twice.")
        if self.label_column != "label" or self.wanted_classes is not None:
            raise UserError("data.label_columns stand instead of label_column and class_names: drop these.")

    def way_to(self, split: Literal["official", "random"]) -> str:
        """Say what a person would have to change for this split to make sense."""
        if split == "official":
            return f"data.split_column, the column of {self.table} with train, val or test for each file"
        return "drop data.split_column to divide the files at random"

    def find_files(self) -> LabelledFiles:
        """Read the table."""
        label_columns = self.label_columns or [self.label_column]
        split_columns = [] if self.split_column is None else [self.split_column]
        table = read_table(self.table, [self.file_column, *label_columns, *split_columns])
        files = self._files(table)
        names, labels = self._labels(table)
        settings = [self.table, self.root.resolve(), self.task, self.file_column, label_columns, self.separator]
        return LabelledFiles(
            root=self.root,
            labels=dict(zip(files, labels, strict=True)),
            class_names=names,
            parts=None if self.split_column is None else self._parts(table, files),
            source=str(self.table),
            state=table.sha256,
            identity="\0".join(map(str, settings)),
        )

    def _labels(self, table: TableFile) -> Labels:
        column, names = self.label_column, self.wanted_classes
        if self.label_columns is not None:
            return column_each(table, self.label_columns)
        if self.task == "multilabel":
            return any_of_several(table, column, names, self.separator)
        if self.task == "binary":
            return one_of_two(table, column, names, None if self.positive is None else class_label(self.positive))
        return one_of_several(table, column, names, self.separator)

    def _files(self, table: TableFile) -> list[str]:
        """Return the path below ``root`` of the file in each row, after checking that it is there, and only once."""
        rows: defaultdict[str, list[str]] = defaultdict(list)
        files = []
        for place, name in zip(table.places, table.texts(self.file_column), strict=True):
            files.append(spelt_on_disk(self.root, self._below_root(name, place)))
            rows[files[-1]].append(place)
        if twice := {file: places for file, places in rows.items() if len(places) > 1}:
            file, places = next(iter(twice.items()))
            where = " and ".join(places[:3])
            raise UserError(f"{self.table}: {len(twice)} files are in several rows, such as {file} in {where}")
        states = file_states(self.root, files)
        if self.on_error == "raise" and (missing := [file for file in files if states[file] is None]):
            listed = some([f"{file} ({rows[file][0]})" for file in missing])
            hint = "; data.root is the folder that the names start from" if len(missing) == len(files) else ""
            count = f"{len(missing)} of {len(files)} files are missing"
            raise UserError(f"{self.table}: {count} in {self.root}: {listed}{hint}")
        return files

    def _below_root(self, name: str, place: str) -> str:
        """Return a file name of the table as a path below ``root``, without ``.`` and ``..``."""
        if not name:
            raise UserError(f"{self.table}, {place}: no file name in column {self.file_column!r}")
        path = os.path.normpath(name.replace("\\", "/"))
        if os.path.isabs(path):
            homes = [home for home in (self.root, self.root.resolve()) if Path(path).is_relative_to(home)]
            path = os.path.relpath(path, homes[0]) if homes else path
        if os.path.isabs(path) or path == os.pardir or path.startswith(os.pardir + os.sep):
            hint = f"; set data.root, to {os.path.dirname(path)} or a folder above it" if os.path.isabs(path) else ""
            raise UserError(f"{self.table}, {place}: refused, {name} leads out of {self.root} (data.root){hint}")
        return path.replace(os.sep, "/")

    def _parts(self, table: TableFile, files: Sequence[str]) -> Mapping[str, str]:
        """Return the part of each file that has one."""
        assert self.split_column is not None
        parts = {}
        for file, place, value in zip(files, table.places, table.texts(self.split_column), strict=True):
            if value and value.lower() not in PART_NAMES:
                raise UserError(
                    f"{self.table}, {place}: {self.split_column} is {value!r}, expected train, val, test or nothing"
                )
            if value:
                parts[file] = PART_NAMES[value.lower()]
        return parts
