"""Subcommands that need no configuration."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eurosat_cls.utils.errors import UserError

TRIAL = "eurosat_cls.cli.trial"  # the module that a search runs for each of its trials
MERGED_TEST = "eurosat_cls.cli.out_of_fold"  # and the one for what the folds of a cross-validation say together


def report(arguments: Sequence[str]) -> None:
    """Write ``report.html`` into a run folder; with several, a page that compares them."""
    parser = argparse.ArgumentParser("eurosat_cls report", description=report.__doc__, allow_abbrev=False)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, e.g. lightning_logs/version_0")
    parser.add_argument("--output", type=Path, default=Path("comparison.html"), help="where a comparison goes")
    given = parser.parse_args(arguments)
    if len(given.runs) == 1:
        from eurosat_cls.analysis.report.page import write_report

        print(write_report(given.runs[0]))
        return
    if len({run.resolve() for run in given.runs}) < len(given.runs):
        raise UserError("report: the same run folder is named twice.")
    from eurosat_cls.analysis.report.compare import write_comparison

    print(write_comparison(given.runs, given.output))


def describe(arguments: Sequence[str]) -> None:
    """Print what a checkpoint is: classes, bands, network, metrics, data, seed, versions, revision."""
    parser = argparse.ArgumentParser("eurosat_cls describe", description=describe.__doc__, allow_abbrev=False)
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, or a run folder, whose best one is taken")
    parser.add_argument("--config", action="store_true", help="print its configuration, as YAML that fit takes")
    given = parser.parse_args(arguments)
    from eurosat_cls.analysis.describe import configuration_of, describe_checkpoint

    print(configuration_of(given.checkpoint) if given.config else describe_checkpoint(given.checkpoint))


def upgrade(arguments: Sequence[str]) -> None:
    """Add to the checkpoints of an older run what today's hold: unit, size, spread and familiarity of its patches."""
    parser = argparse.ArgumentParser("eurosat_cls upgrade", description=upgrade.__doc__, allow_abbrev=False)
    parser.add_argument("run", type=Path, help="a run folder, e.g. lightning_logs/version_0")
    parser.add_argument(
        "options", nargs=argparse.REMAINDER, help="options of its configuration, e.g. --data.init_args.root FOLDER"
    )
    given = parser.parse_args(arguments)
    from eurosat_cls.cli.upgrade import upgrade as run

    for line in run(given.run, given.options):
        print(line)


def configs(arguments: Sequence[str]) -> None:
    """List the configurations that are shipped, each of which --config takes by its name; or copy one."""
    parser = argparse.ArgumentParser("eurosat_cls configs", description=configs.__doc__, allow_abbrev=False)
    parser.add_argument("--copy", metavar="NAME", help="write this one into FOLDER, never over another file")
    parser.add_argument("folder", nargs="?", type=Path, help="where a copy goes; by default here")
    given = parser.parse_args(arguments)
    from eurosat_cls.config.shipped import copy, first_line, shipped

    if given.copy is not None:
        print(copy(given.copy, given.folder or Path()))
    elif given.folder is not None:
        raise UserError(f"configs {given.folder}: goes with --copy NAME.")
    for name, file in shipped().items() if given.copy is None else ():
        print(f"{name:22} {first_line(file)}")


def cache(arguments: Sequence[str]) -> None:
    """List what the cache folder holds, all of which can be made or downloaded again; or remove it."""
    parser = argparse.ArgumentParser("eurosat_cls cache", description=cache.__doc__, allow_abbrev=False)
    parser.add_argument("--clear", nargs="*", metavar="NAME", help="remove what has these names; without one, all")
    given = parser.parse_args(arguments)
    from eurosat_cls.data.cached import clear, print_cache

    print_cache() if given.clear is None else clear(given.clear)


def audit(arguments: Sequence[str]) -> None:
    """List the labels that are probably wrong, with a page to look through them."""
    parser = argparse.ArgumentParser("eurosat_cls audit", description=audit.__doc__, allow_abbrev=False)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of search --folds, or tested run folders")
    parser.add_argument("--output", type=Path, default=Path("audit"), help="folder of suggestions.csv and gallery.html")
    given, options = parser.parse_known_args(arguments)
    from eurosat_cls.cli.audit import audit as run

    for line in run(given.runs, given.output, options):
        print(line)


def search(arguments: Sequence[str]) -> None:
    """Train with many settings, overlays or seeds, and say which are good."""
    if find_spec("optuna") is None:
        raise UserError("search needs Optuna: pip install 'eurosat-cls[search]', or pip install 'optuna>=5'")
    from eurosat_cls.search.command import search as run

    run(arguments, _merge, _build, TRIAL, MERGED_TEST)


def _merge(arguments: Sequence[str], overlay: Mapping[str, Any] | None = None) -> dict[str, Any]:
    from eurosat_cls.cli.configuration import merged  # Lightning takes seconds to import: help does not wait for it

    return merged(arguments, overlay)


def _build(arguments: Sequence[str], overlay: Mapping[str, Any]) -> None:
    from eurosat_cls.cli.configuration import try_building

    try_building(arguments, overlay)


def map_(arguments: Sequence[str]) -> None:
    """Make land-cover maps of whole scenes with a trained model."""
    from eurosat_cls.config.trust import trusted_packages
    from eurosat_cls.scenes.command import map_scenes

    map_scenes(arguments, trusted_packages())


def export(arguments: Sequence[str]) -> None:
    """Write a trained model for use elsewhere: ONNX, torch.export, safetensors, QGIS."""
    from eurosat_cls.config.trust import trusted_packages
    from eurosat_cls.export.command import export as run

    run(arguments, trusted_packages())


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "map": map_,
    "export": export,
    "search": search,
    "audit": audit,
    "report": report,
    "describe": describe,
    "upgrade": upgrade,
    "configs": configs,
    "cache": cache,
}
