"""The command ``search``."""

import argparse
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from optuna.trial import FrozenTrial, TrialState

from eurosat_cls.search.configuration import Base, Merge, check_space, read_base, write_best
from eurosat_cls.search.folds import print_folds, read_folds, replaced_split, test_merged, write_folds
from eurosat_cls.search.queue import REASON, Queue
from eurosat_cls.search.results import draw, line_of, print_summary, write_table
from eurosat_cls.search.rows import Row, best_of, rows_of
from eurosat_cls.search.runner import Runner
from eurosat_cls.search.space import Params, Space
from eurosat_cls.search.space_file import SEED, read_overlays, read_seeds, read_space
from eurosat_cls.search.study import PrunerName, open_storage, open_study, pruner_of, sampler_of, storage_errors
from eurosat_cls.search.sweep import write_sweep
from eurosat_cls.search.worker_lock import WorkerLock
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import full_disk, look_through, writing

DEFAULT_TRIALS = 20
Build: TypeAlias = Callable[[Sequence[str], Mapping[str, Any]], None]
DESCRIPTION = """\
Train the same configuration with many settings: sampled or all of a space, a list of overlays, or several seeds.
Every trial is a run of its own. Started again with the same arguments a search goes on where it was.
Arguments of fit, such as --config and --trainer.max_epochs, are those of every trial."""


def search(arguments: Sequence[str], merge: Merge, build: Build, program: str, merged_test: str) -> None:
    """Run the command.

    Args:
        arguments: those after its name.
        merge: reads arguments of ``fit`` into a whole configuration.
        build: opens the data and builds the model of arguments of ``fit``, with an overlay on top.
        program: module that is run for each trial.
        merged_test: module that tests what the folds of a cross-validation say together.

    Raises:
        UserError: for what a person can mend.
        SystemExit: with 130 after Ctrl-C and 143 after SIGTERM; the search can be continued.
    """
    given, of_fit = _parser().parse_known_args(arguments)
    _check(given)
    base = read_base(of_fit, given.metric, given.mode, merge)
    plan = _plan(given, base.config)
    name = given.study or _default_name(given, of_fit)
    if not re.fullmatch(r"[\w.-]+", name):
        raise UserError(f"--study: {name!r} has other characters than letters, digits, '.', '-' and '_'.")
    folder = base.root / f"search_{name}"
    if folder.exists():
        look_through(folder)
    elif plan.repeats and plan.points:  # what is wrong with one of these trainings is wrong with all
        build(base.arguments, base.overlay(plan.space, plan.points[0]))
    check_space(base, plan.space)
    with writing(folder):
        owner = WorkerLock(folder)
    try:
        _Search(name, base, plan, given, folder, owner).run(program, merged_test)
    except OSError as error:
        hint = " Free some space and start again: the search goes on." if full_disk(error) else ""
        raise UserError(f"{error.filename or folder}: {error.strerror or error}.{hint}") from error
    finally:
        owner.close()


@dataclass(frozen=True)
class _Plan:
    kind: str
    space: Space
    points: list[Params] | None  # None where they are sampled

    @property
    def repeats(self) -> bool:
        """Whether all trials are the same training, of which none is the best."""
        return self.kind in ("seeds", "folds")


def _plan(given: argparse.Namespace, config: dict[str, Any]) -> _Plan:
    if given.folds is not None:
        if former := replaced_split(config):
            print(f"warning: data.split {former} has no effect: --folds divides the data anew", file=sys.stderr)
        return _Plan("folds", *read_folds(given.folds, given.seeds, config))
    if given.seeds:
        return _Plan("seeds", *read_seeds(given.seeds))
    if given.overlays:
        space = read_overlays(given.overlays)
        return _Plan("overlays", space, space.combinations())
    space = read_space(given.space)
    return _Plan("grid", space, space.combinations()) if given.grid else _Plan("sampled", space, None)


class _Search:
    """A study, those who work on it, and what comes out."""

    def __init__(
        self, name: str, base: Base, plan: _Plan, given: argparse.Namespace, folder: Path, owner: WorkerLock
    ) -> None:
        self.base, self.plan, self.given, self.folder = base, plan, given, folder
        self.place = given.storage or str(folder / "journal.log")
        storage = open_storage(self.place)
        pruner: PrunerName = given.pruner or ("median" if plan.kind == "sampled" else "none")
        what = {
            "kind": plan.kind, "metric": base.monitor, "mode": base.mode, "pruner": pruner, "test": given.test,
            "space": plan.space.described(), "settings": _without_seed(base) if plan.repeats
            else base.settings(),
        }  # fmt: skip
        with storage_errors(self.place):
            self.study = open_study(
                name, storage, what, base.mode, sampler_of(given.sampler_seed), pruner_of(pruner, base.max_epochs)
            )
        trials = given.trials if given.trials is not None else len(plan.points or ()) or DEFAULT_TRIALS
        self.queue = Queue(self.study, plan.space, trials, owner, plan.points)

    def run(self, program: str, merged_test: str) -> None:
        """Make the trials that are missing, then write what the search has found."""
        with storage_errors(self.place):
            before = len(self.queue.finished())
            if not self.queue.target and not self.study.get_trials(deepcopy=False):
                raise UserError(f"--trials 0: study {self.study.study_name} in {self.place} has no trials to show.")
            print(f"study {self.study.study_name} in {self.place}: {before} of {self.queue.target} trials have ended",
                  file=sys.stderr, flush=True)  # fmt: skip
            given = self.given
            runner = Runner(self.queue, self.base, self.folder, given.workers, given.test, self._print_trial, program)
            previous = signal.signal(signal.SIGTERM, _terminate)
            try:
                if self.queue.target:
                    runner.run()
            except (KeyboardInterrupt, _Terminated) as stop:
                code = 143 if isinstance(stop, _Terminated) else 130
                done = f"{len(self.queue.finished())} of {self.queue.target} trials have ended"
                print(f"eurosat_cls: stopped; {done}. The same command goes on from here.", file=sys.stderr)
                raise SystemExit(code) from None
            finally:
                signal.signal(signal.SIGTERM, previous)
                self._write(merged_test)

    def _print_trial(self, trial: FrozenTrial) -> None:
        rows = rows_of(self.queue.finished())
        best = best_of(rows, self.base.mode) if not self.plan.repeats else None
        row = next(row for row in rows if row.number == trial.number)
        line = line_of(row, best, self.base.monitor, self.queue.target, len(rows))
        print(line, file=sys.stderr, flush=True)

    def _write(self, merged_test: str) -> None:
        trials = self.study.get_trials(deepcopy=False)
        ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)]
        if not ended:
            return
        write_table(trials, self.folder / "trials.csv")
        rows = rows_of(self.queue.finished() if self.plan.repeats else ended)
        monitor, mode = self.base.monitor, self.base.mode
        if self.plan.repeats and len(rows) >= self.queue.target and all(row.state != "complete" for row in rows):
            raise UserError(f"all trainings have failed, the last one so: {rows[-1].attrs.get(REASON, 'see its log')}")
        if self.plan.kind == "folds":
            return self._write_folds(rows, merged_test)
        if self.plan.kind == "seeds":
            if any(row.state == "complete" for row in rows):
                epoch = f"epoch of the best {monitor} of each seed" + (", tested" if self.given.test else "")
                write_sweep(rows, self.folder, f"{self.study.study_name}: {epoch}")
            return
        print_summary(rows, mode, monitor)
        pictures = draw(self.study, rows, monitor, mode, self.folder)
        written = [self.folder / "trials.csv", *pictures]
        if (best := best_of(rows, mode)) is not None:
            path = self.folder / "best.yaml"
            about = f"Study {self.study.study_name}, trial {best.number} of {len(rows)}: {monitor} {best.value:.6g}"
            write_best(self.base, self.plan.space, trials[best.number].params, about, path)
            written.insert(0, path)
        print("written:", *written)

    def _write_folds(self, rows: Sequence[Row], merged_test: str) -> None:
        about = f"{self.study.study_name}: epoch of the best {self.base.monitor} of each fold, tested"
        if any(row.state == "complete" for row in rows):
            write_folds(rows, self.folder, about)
        if len(rows) < self.queue.target:
            return  # the search was stopped
        if missing := [row for row in rows if row.state != "complete"]:
            print(f"warning: {len(missing)} of {len(rows)} trainings have failed", file=sys.stderr)
        test_merged(merged_test, self.base, self.folder)
        print_folds(self.folder)


class _Terminated(BaseException):
    """SIGTERM has come."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _without_seed(base: Base) -> dict[str, Any]:
    return {key: value for key, value in base.settings().items() if key != SEED}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "eurosat_cls search", description=DESCRIPTION, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--space", type=Path, help="YAML file of the settings that vary")
    what.add_argument("--overlays", type=Path, nargs="+", help="configuration files, each a trial on top of --config")
    what.add_argument("--seeds", help="seeds, such as 0-4 or 0,1,5: the metrics' mean and spread over them")
    parser.add_argument("--folds", type=int, help="cross-validation: every patch is tested once, for each of --seeds")
    parser.add_argument("--grid", action="store_true", help="every combination of the space, instead of samples")
    parser.add_argument("--trials", type=int, help=f"trials in all, those before included; {DEFAULT_TRIALS} by default,"
                        " all of a list or grid; 0 draws what there is")  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="trials at a time on this machine")
    parser.add_argument("--metric", help="metric that tells how good a trial is, checkpoint.monitor by default")
    parser.add_argument("--mode", choices=("max", "min"), help="whether more or less of it is better")
    parser.add_argument("--pruner", choices=("median", "hyperband", "none"), help="how hopeless trials are ended "
                        "early; median for samples, none for lists by default")  # fmt: skip
    parser.add_argument("--study", help="name of the study, by default that of the file that says what varies")
    parser.add_argument("--storage", help="journal file or database URL, such as sqlite:///search.db; by default "
                        "journal.log in the folder of the search")  # fmt: skip
    parser.add_argument("--sampler_seed", type=int, default=0, help="seed of the samples of a new study")
    parser.add_argument("--test", action="store_true", help="with --seeds: test the best checkpoint of each seed too; "
                        "--folds does so anyway")  # fmt: skip
    return parser


def _check(given: argparse.Namespace) -> None:
    """Refuse options that are impossible, or that do nothing beside others."""
    if given.folds is not None and (given.space or given.overlays):
        raise UserError("--folds goes alone, or with --seeds: choose settings first, then cross-validate them.")
    if given.folds is None and not (given.space or given.overlays or given.seeds):
        raise UserError("search needs one of --space, --overlays, --seeds and --folds.")
    if given.folds is not None:
        if given.test:
            print("warning: --test has no effect: --folds tests every fold", file=sys.stderr)
        given.test = True
    if given.workers < 1:
        raise UserError(f"--workers {given.workers}: at least one is needed.")
    if given.trials is not None and given.trials < 0:
        raise UserError(f"--trials {given.trials}: cannot be below 0.")
    if given.grid and not given.space:
        raise UserError("--grid needs --space.")
    repeated = "--folds" if given.folds is not None else "--seeds" if given.seeds else ""
    if given.test and not repeated:
        raise UserError("--test goes with --seeds only: settings that are chosen by test metrics are not tested.")
    if repeated and (given.pruner or "none") != "none":
        raise UserError(f"--pruner: with {repeated} every training runs to its end.")
    if given.trials is not None and repeated:
        raise UserError(f"--trials: with {repeated} there is one trial for each {repeated[2:-1]}.")


def _default_name(given: argparse.Namespace, of_fit: Sequence[str]) -> str:
    if given.space:
        return str(given.space.stem) + ("_grid" if given.grid else "")
    files = [value for key, value in pairwise(of_fit) if key == "--config"]
    files += [value.partition("=")[2] for value in of_fit if value.startswith("--config=")]
    stem = Path(files[0]).stem if files else "default"
    return f"{stem}_{f'{given.folds}_folds' if given.folds is not None else 'seeds' if given.seeds else 'overlays'}"
