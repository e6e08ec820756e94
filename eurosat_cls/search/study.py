"""Open the study of a search: a new one, or one that exists and is the same search."""

import json
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from eurosat_cls.config.differences import differences
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import growing

BUSY_SECONDS = 60.0  # for a database file that another process has locked
KEY = "eurosat_cls"  # the study's attribute that says what it searches
PrunerName = Literal["median", "hyperband", "none"]


@contextmanager
def storage_errors(place: str) -> Iterator[None]:
    """Turn what goes wrong with a database into a line that names it, without its password."""
    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        reason = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
        raise _unusable(place, getattr(reason, "orig", None) or reason) from error


def _unusable(place: str, reason: object) -> UserError:
    place = re.sub(r"//([^:/@]+):[^@]*@", r"//\1:***@", place)
    return UserError(f"--storage {place}: cannot be used ({' '.join(str(reason).split())[:300]}).")


def open_storage(place: str) -> BaseStorage:
    """Return the storage behind a database URL, or in a journal file, which is made when it does not exist.

    Raises:
        UserError: for one that cannot be reached or read, or that is something else.
    """
    with storage_errors(place):
        try:
            if "://" not in place:
                return _journal(Path(place))
            wait = {"connect_args": {"timeout": BUSY_SECONDS}} if place.startswith("sqlite") else {}
            return RDBStorage(place, engine_kwargs={"pool_pre_ping": True, **wait})
        except optuna.exceptions.StorageInternalError:
            raise
        except ImportError as error:
            raise _unusable(place, f"the Python package {error.name} is not installed") from error
        except OSError as error:
            raise _unusable(place, error.strerror or error) from error
        except (ValueError, KeyError, RuntimeError, AssertionError) as error:
            raise _unusable(place, f"it is no storage of studies: {error}") from error


def _journal(path: Path) -> JournalStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalFileOpenLock(str(path.resolve()))
    if path.is_file():
        lock.acquire()
        try:
            _drop_torn_line(path)
        finally:
            lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _drop_torn_line(path: Path) -> None:
    """Take away what a full disk or a lost machine left of a last line: the next one would be appended to it."""
    with growing(path.resolve()) as file:
        file.seek(0)
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def pruner_of(name: PrunerName, epochs: int) -> BasePruner:
    """Return the pruner of this name for trials of so many epochs.

    ``median`` ends a trial whose best metric so far is worse than the median of the others at the same epoch: after
    the first third of the epochs, and once four trials have finished. ``hyperband`` ends more and sooner.
    """
    if name == "median":
        return MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, epochs // 3), n_min_trials=3)
    return HyperbandPruner(1, max(epochs, 2), 3) if name == "hyperband" else NopPruner()


def sampler_of(seed: int) -> BaseSampler:
    """Return Optuna's tree-structured Parzen estimator, which keeps away from what other workers are trying."""
    return TPESampler(seed=seed, constant_liar=True)


def open_study(
    name: str, storage: BaseStorage, what: dict[str, Any], mode: str, sampler: BaseSampler, pruner: BasePruner
) -> optuna.Study:
    """Create a study, or join one that exists.

    Args:
        name: of the study.
        storage: where it is.
        what: plain data that say what is searched; ``settings`` among them by dotted key.
        mode: ``max`` or ``min``.
        pruner: of trials.
        sampler: of parameters. In a study that exists its seed is not used.

    Raises:
        UserError: when the study of this name is of another search, saying in what.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    what = json.loads(json.dumps(what))
    if (found := _load(name, storage)) is not None:
        for _ in range(4):  # for the process that makes the study just now to say what it is
            if KEY in found.user_attrs:
                break
            time.sleep(0.25)
        different = _differences(found.user_attrs.get(KEY), what)
        if different and _is_worth_keeping(found):
            raise UserError(
                f"study {name} is of another search: {different}. Give another --study, or the former arguments."
            )
        if not different:
            sampler.reseed_rng()  # those before have drawn from its seed
            return _load(name, storage, sampler, pruner) or found
        optuna.delete_study(study_name=name, storage=storage)
    try:
        study = optuna.create_study(
            study_name=name, storage=storage, direction="maximize" if mode == "max" else "minimize",
            sampler=sampler, pruner=pruner,
        )  # fmt: skip
    except optuna.exceptions.DuplicatedStudyError:  # another process was faster
        return open_study(name, storage, what, mode, sampler, pruner)
    study.set_user_attr(KEY, what)
    return study


def _load(name: str, storage: BaseStorage, *parts: Any) -> optuna.Study | None:
    try:
        sampler, pruner = parts or (None, None)
        return optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)
    except KeyError:
        return None


def _is_worth_keeping(study: optuna.Study) -> bool:
    """Whether a study has results, or may be getting some; or is none of ours."""
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    return KEY not in study.user_attrs or bool(study.get_trials(deepcopy=False, states=states))


def _differences(theirs: dict[str, Any] | None, ours: dict[str, Any]) -> str:
    """Say in what two searches differ; nothing when they do not."""
    if theirs is None:
        return "it was not made by this command"
    told = [
        f"its {key} is {theirs.get(key)}, not {ours[key]}"
        for key in ours
        if key not in ("settings", "space") and theirs.get(key) != ours[key]
    ]
    for part in ("space", "settings"):
        changed = differences(theirs.get(part, {}), ours[part])
        told += [f"{part}: {each.key} was {each.theirs}, is {each.ours}" for each in changed[:2]]
        told += [f"and {len(changed) - 2} more of the {part}"] if len(changed) > 2 else []
    return "; ".join(told)
