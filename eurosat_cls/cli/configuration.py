"""The configuration that arguments amount to, for commands that make trainings of it."""

import functools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.cli import LightningArgumentParser

from eurosat_cls.cli.application import EuroSATCLI
from eurosat_cls.cli.commands import CONFIGURED, split_trust
from eurosat_cls.cli.short_names import VOCABULARY
from eurosat_cls.config.parse import read_settings
from eurosat_cls.config.parser import closed_parser
from eurosat_cls.config.trust import config_folders, trusting
from eurosat_cls.data.module import PatchDataModule


class Building(EuroSATCLI):
    """Build model and data of a configuration, and do nothing with them."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass


class _Made(Exception):
    """The parsers have been made."""


class _OnlyParsers(EuroSATCLI):
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        raise _Made(parser, self._subcommand_parsers)


@functools.cache
def parsers(commands: tuple[str, ...] = tuple(CONFIGURED)) -> tuple[Any, dict[str, Any]]:
    """Return the parser of the whole command line, and those of its commands, whole of these."""
    try:
        _OnlyParsers([], commands)
    except _Made as made:
        parser, by_command = made.args
    return parser, by_command


def merged(arguments: Sequence[str], overlay: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the whole configuration of ``fit`` with these arguments, every default spelt out.

    Args:
        arguments: ``--config`` files, options, and packages to trust.
        overlay: settings on top of them.

    Raises:
        UserError: for whatever the command line refuses.
    """
    with _reading(arguments, overlay) as given:
        return read_settings(parsers(("fit",))[1], ["fit", *given], VOCABULARY)


def try_building(arguments: Sequence[str], overlay: Mapping[str, Any]) -> None:
    """Open the data and build the model as ``fit`` would; arguments and errors as of :func:`merged`."""
    with _reading(arguments, overlay) as given:
        data = Building(["summary", *given], ("summary",)).datamodule
    if isinstance(data, PatchDataModule):
        assert data.train_batches, "or it would have said so"


@contextmanager
def _reading(arguments: Sequence[str], overlay: Mapping[str, Any] | None) -> Iterator[list[str]]:
    """Trust what is to be trusted, and give the arguments with an overlay as a file behind them."""
    given, packages = split_trust(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if overlay is not None:
            path = Path(folder) / "overlay.yaml"
            path.write_text(yaml.safe_dump(dict(overlay), sort_keys=False), encoding="utf-8")
            given += ["--overlay", str(path)]
        with trusting(packages, config_folders(given)) as trusted, closed_parser(trusted):
            yield given
