"""Which trial is next, and what becomes of those whose process died."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from eurosat_cls.search.space import Choice, Params, Range, Scalar, Space
from eurosat_cls.search.worker_lock import BEAT_SECONDS, WorkerLock

# Attributes of a trial. A trial with VOID counts as if it had never been.
VOID, OWNER, BEAT, FOLDER, REASON, RETRIES = "void", "owner", "beat", "folder", "reason", "retries"


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial has ended, for good or bad, and is not to be made again."""
    return trial.state.is_finished() and VOID not in trial.user_attrs


class Queue:
    """Hand out the trials of a study, each to one of all the processes that work on it.

    Args:
        study: the study.
        space: what varies.
        target: trials in all.
        owner: this process.
        points: the very trials to make, where they are not sampled.
    """

    def __init__(
        self, study: optuna.Study, space: Space, target: int, owner: WorkerLock, points: Sequence[Params] | None = None
    ) -> None:
        self.study, self.space, self.owner = study, space, owner
        self.points = None if points is None else list(points)[:target]
        self.target = target if self.points is None else len(self.points)
        self.storage = study._storage
        self._keys = None if self.points is None else {_key(point) for point in self.points}
        self._running: dict[int, optuna.Trial] = {}
        self._beaten = time.monotonic()

    def finished(self) -> list[FrozenTrial]:
        """The trials that have ended and count."""
        return [trial for trial in self._ours() if counts(trial)]

    def elsewhere(self) -> list[FrozenTrial]:
        """Trials that other processes are running."""
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in running if trial.number not in self._running]

    def _ours(self) -> list[FrozenTrial]:
        """All trials, or those of the points that are asked for."""
        trials = self.study.get_trials(deepcopy=False)
        return trials if self._keys is None else [trial for trial in trials if _key(trial.params) in self._keys]

    def next(self) -> optuna.Trial | None:
        """Start the next trial; None when all are running or have ended."""
        self._recover()
        while True:
            live = self._live()
            if len(live) >= self.target:
                return None
            if self.points is not None:
                self._enqueue_missing({_key(trial.params) for trial in live})
            trial = self.study.ask()
            self._running[trial.number] = trial
            trial.set_user_attr(OWNER, self.owner.tag)
            self.space.decide(lambda name, node, trial=trial: _suggest(trial, name, node))  # type: ignore[misc]
            if not self._is_superfluous(trial):
                return trial
            self.end(trial, TrialState.FAIL, {VOID: "another process was faster"})

    def _enqueue_missing(self, live: set[Any]) -> None:
        """Let the first point wait that nobody runs or has run, if it does not yet."""
        missing = next(point for point in self.points or () if _key(point) not in live)
        waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        # Optuna keeps the parameters of enqueue_trial in an attribute of its own until the trial starts.
        if not any(missing in (trial.params, trial.system_attrs.get("fixed_params")) for trial in waiting):
            self.study.enqueue_trial(missing)

    def _live(self) -> list[FrozenTrial]:
        return [trial for trial in self._ours() if counts(trial) or trial.state == TrialState.RUNNING]

    def _is_superfluous(self, trial: optuna.Trial) -> bool:
        """Whether processes that asked at the same time have taken the last places, or the same point."""
        if self._keys is not None and _key(trial.params) not in self._keys:
            return True  # its process died before it had its parameters
        earlier = [other for other in self._live() if other.number < trial.number]
        taken = self.points is not None and any(other.params == trial.params for other in earlier)
        return taken or len(earlier) >= self.target

    def twin(self, trial: optuna.Trial) -> FrozenTrial | None:
        """A trial of the same parameters that has its result already: a training is a function of them."""
        done = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return next((other for other in done if other.params == trial.params), None)

    def end(self, trial: optuna.Trial, state: TrialState, attrs: Mapping[str, Any], value: float | None = None) -> None:
        """Close a trial of this process."""
        for key, content in attrs.items():
            trial.set_user_attr(key, content)
        self.study.tell(trial, value, state, skip_if_finished=True)
        self._running.pop(trial.number, None)

    def again(self, trial: optuna.Trial, reason: str, retries: int) -> None:
        """Give up a trial of this process and let its parameters be tried again, from its last checkpoint."""
        self._running.pop(trial.number, None)
        self._put_back(self.study.get_trials(deepcopy=False)[trial.number], reason, retries)

    def heartbeat(self) -> None:
        """Show that the trials of this process are alive; to be called often."""
        if time.monotonic() - self._beaten >= BEAT_SECONDS:
            self._beaten = time.monotonic()
            for trial in self._running.values():
                trial.set_user_attr(BEAT, trial.user_attrs.get(BEAT, 0) + 1)

    def _recover(self) -> None:
        """Put back the trials whose process is dead."""
        for trial in self.elsewhere():
            attrs = trial.user_attrs
            if self.owner.is_gone(trial.number, attrs.get(OWNER), attrs.get(BEAT)):
                self._put_back(trial, "its process died", attrs.get(RETRIES, 0))

    def _put_back(self, trial: FrozenTrial, reason: str, retries: int) -> None:
        try:
            self.storage.set_trial_user_attr(trial._trial_id, VOID, reason)
            self.study.tell(trial.number, state=TrialState.FAIL)
        except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
            return  # another process put it back
        kept = {FOLDER: trial.user_attrs[FOLDER]} if FOLDER in trial.user_attrs else {}
        self.study.add_trial(create_trial(
            state=TrialState.WAITING, params=trial.params, distributions=trial.distributions,
            intermediate_values=trial.intermediate_values, user_attrs={**kept, RETRIES: retries, "was": trial.number},
        ))  # fmt: skip


def _key(params: Mapping[str, Scalar]) -> tuple[tuple[str, Scalar], ...]:
    return tuple(sorted(params.items(), key=lambda item: item[0]))


def _suggest(trial: optuna.Trial, name: str, node: Range | Choice) -> Scalar:
    if isinstance(node, Choice):
        chosen: Scalar = trial.suggest_categorical(name, node.values(name))
        return chosen
    if node.whole:
        step = 1 if node.step is None else int(node.step)
        return trial.suggest_int(name, int(node.low), int(node.high), log=node.log, step=step)
    return trial.suggest_float(name, node.low, node.high, log=node.log, step=node.step)
