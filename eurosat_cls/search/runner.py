"""Run the trials of a study, several at a time, each in a process of its own."""

import json
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from eurosat_cls.search.channel import GO, OVERLAY, RESULT, STOP
from eurosat_cls.search.configuration import Base, as_yaml
from eurosat_cls.search.processes import LOG, is_full, reason_of, share_of, start, was_killed
from eurosat_cls.search.queue import FOLDER, REASON, RETRIES, VOID, Queue
from eurosat_cls.search.rows import format_value, short_names
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_text
from eurosat_cls.utils.limits import read_json
from eurosat_cls.utils.names import nearest

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 30.0  # for a process to end after SIGTERM
HOPELESS = 5  # trials that fail before any succeeds: it will not be their parameters


class Runner:
    """Work on a queue of trials until it is empty.

    Args:
        queue: the trials.
        base: what they have in common.
        folder: of the search; run folders are made in it.
        workers: trials at a time.
        test: whether a trial ends with ``test`` of its best checkpoint.
        ended: called after a trial that counts.
        program: module that is run for each trial.
    """

    def __init__(
        self,
        queue: Queue,
        base: Base,
        folder: Path,
        workers: int,
        test: bool,
        ended: Callable[[FrozenTrial], None],
        program: str,
    ) -> None:
        self.queue, self.base, self.folder, self.workers = queue, base, folder, workers
        self.test, self.ended, self.program = test, ended, program
        self._lock = threading.RLock()  # around everything that has to do with the study
        self._stop = threading.Event()
        self._processes: set[Popen[str]] = set()
        self._told_of: set[int] = set()

    def run(self) -> None:
        """Run until all trials have ended, or until an exception; what is running then can be continued later.

        Raises:
            UserError: when the study is lost, the metric is not logged, or everything fails.
            KeyboardInterrupt: as it comes.
        """
        with ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(self._work, slot) for slot in range(self.workers)]
            try:
                while wait(futures, POLL_SECONDS, FIRST_EXCEPTION).not_done:
                    if any(future.done() and future.exception() for future in futures):
                        break
                    with self._lock:
                        self.queue.heartbeat()
            finally:
                self._end_all()
        for future in futures:
            future.result()

    def _end_all(self) -> None:
        self._stop.set()
        ends = time.monotonic() + PATIENCE_SECONDS
        for process in list(self._processes):
            process.terminate()
        for process in list(self._processes):
            try:
                process.wait(max(0.1, ends - time.monotonic()))
            except TimeoutExpired:
                process.kill()

    def _work(self, slot: int) -> None:
        while not self._stop.is_set():
            with self._lock:
                trial = self.queue.next()
                if trial is None and len(self.queue.finished()) >= self.queue.target:
                    return
            if trial is None:
                self._print_others()
                self._stop.wait(POLL_SECONDS)
            else:
                self._make(trial, slot)

    def _print_others(self) -> None:
        with self._lock:
            others = [trial for trial in self.queue.elsewhere() if trial.number not in self._told_of]
        for trial in others:
            self._told_of.add(trial.number)
            host = trial.user_attrs.get("owner", {}).get("host", "another machine")
            print(f"waiting for trial {trial.number}, which runs on {host}", file=sys.stderr, flush=True)

    # --- one trial ---------------------------------------------------------------------------------------------

    def _make(self, trial: optuna.Trial, slot: int) -> None:
        with self._lock:
            twin = self.queue.twin(trial)
            if twin is not None:
                kept = {key: twin.user_attrs[key] for key in (FOLDER, "epoch", "metrics") if key in twin.user_attrs}
                self._close(trial, TrialState.COMPLETE, {**kept, "same_as": twin.number}, twin.value)
                return
            # By its name in this folder: a search may have been moved, and a journal may be a stranger's.
            former = self.folder / Path(str(trial.user_attrs.get(FOLDER, ""))).name
            last = former / "checkpoints" / "last.ckpt"
            continued = re.fullmatch(r"trial_\d+(_\d+)?", former.name) is not None and last.is_file()
            folder = former if continued else self._new_folder(trial.number)
            trial.set_user_attr(FOLDER, str(folder))
            overlay = self.base.overlay(self.queue.space, trial.params)
        write_text(folder / OVERLAY, as_yaml(overlay))
        arguments = [str(folder), *self.base.arguments, "--overlay", str(folder / OVERLAY)]
        arguments += ["--ckpt_path", str(last)] if continued else []
        short = short_names(trial.params)
        params = "  ".join(f"{short[name]} {format_value(value)}" for name, value in trial.params.items())
        doing = "continues" if continued else "starts"
        print(f"trial {trial.number} {doing}  {params}  {folder / LOG}", file=sys.stderr, flush=True)
        started, share = time.monotonic(), share_of(slot, self.workers, self.base.config)
        code = self._run(self.program, arguments, folder, share, trial)
        result = _result(folder)
        if code == 0 and self.test and "value" in result:
            checkpoint = str(folder / "checkpoints" / "best.ckpt")
            arguments = [
                "test",
                *self.base.evaluating,
                "--config",
                str(folder / "config.yaml"),
                "--ckpt_path",
                checkpoint,
            ]
            code = self._run("eurosat_cls", arguments, folder, share, None)
        with self._lock:
            self._settle(trial, code, folder, {**result, "seconds": round(time.monotonic() - started, 1)})

    def _new_folder(self, number: int) -> Path:
        """Make the run folder of a trial; another name where a study that was given up has left one."""
        for suffix in ("", *(f"_{n}" for n in range(2, 1000))):
            folder = self.folder / f"trial_{number}{suffix}"
            try:
                folder.mkdir(parents=True)
                return folder
            except FileExistsError:
                continue
        raise UserError(f"{self.folder}: there are too many folders of trial {number}.")

    def _run(
        self, module: str, arguments: list[str], folder: Path, share: dict[str, str], trial: optuna.Trial | None
    ) -> int:
        """Run a process to its end, answering what it says of its epochs; return its exit code."""
        process = start(module, arguments, folder, share)
        self._processes.add(process)
        try:
            if self._stop.is_set():
                process.terminate()
            assert process.stdout is not None
            for line in process.stdout:
                if trial is not None:
                    answer = self._judge(trial, json.loads(line))
                    _answer(process, answer)
            return process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            self._processes.discard(process)
            _hang_up(process)

    def _judge(self, trial: optuna.Trial, message: dict[str, Any]) -> str:
        with self._lock:
            known = self.queue.study.get_trials(deepcopy=False)[trial.number].intermediate_values
            if message["epoch"] not in known:
                trial.report(message["value"], message["epoch"])
            if not trial.should_prune():
                return GO
            trial.set_user_attr(REASON, f"pruned after epoch {message['epoch']}")
            return STOP

    def _settle(self, trial: optuna.Trial, code: int, folder: Path, result: dict[str, Any]) -> None:
        """Tell the study what became of a trial."""
        retries = trial.user_attrs.get(RETRIES, 0)
        attrs: dict[str, Any] = {key: result[key] for key in ("epoch", "metrics", "seconds") if key in result}
        attrs |= {"best": result["value"]} if "value" in result else {}
        if code == 0 and REASON in trial.user_attrs:
            self._close(trial, TrialState.PRUNED, attrs)
        elif code == 0 and "value" in result:
            attrs["metrics"] = {**result["metrics"], **(_test_metrics(folder) if self.test else {})}
            self._close(trial, TrialState.COMPLETE, attrs, result["value"])
        elif self._stop.is_set():
            self.queue.again(trial, "the search was stopped", retries)
        elif "diverged" in result:  # pruned, so that the sampler keeps away from there
            self._close(trial, TrialState.PRUNED, {**attrs, REASON: result["diverged"]})
        elif "logged" in result:
            self.queue.end(trial, TrialState.FAIL, {VOID: "the metric is not logged"})
            raise UserError(_unknown(self.base.monitor, result["logged"]))
        elif was_killed(code) and retries == 0:
            print(f"trial {trial.number} {reason_of(code, folder)}; it is tried once more", file=sys.stderr, flush=True)
            self.queue.again(trial, reason_of(code, folder), retries + 1)
        elif code and is_full(folder, reason_of(code, folder)):  # which is not the fault of its parameters
            with suppress(OSError):  # where this cannot be kept either, the trial counts as one whose process died
                self.queue.again(trial, "the disk was full", retries)
            raise UserError(f"{self.folder}: the disk is full. Free some space and start again: the search goes on.")
        else:
            reason = reason_of(code, folder) if code else f"it has no {self.base.monitor}"
            self._close(trial, TrialState.FAIL, {**attrs, REASON: reason})
            self._check_hope()

    def _close(self, trial: optuna.Trial, state: TrialState, attrs: dict[str, Any], value: float | None = None) -> None:
        self.queue.end(trial, state, attrs, value)
        self.ended(self.queue.study.get_trials(deepcopy=False)[trial.number])

    def _check_hope(self) -> None:
        done = self.queue.finished()
        if len(done) >= HOPELESS and all(trial.state == TrialState.FAIL for trial in done):
            reason = done[-1].user_attrs[REASON]
            raise UserError(f"the first {len(done)} trials have all failed, the last one so: {reason}")


def _answer(process: "Popen[str]", answer: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # a process that has ended meanwhile needs no answer
        process.stdin.write(answer + "\n")
        process.stdin.flush()


def _hang_up(process: "Popen[str]") -> None:
    for line in (process.stdin, process.stdout):
        assert line is not None
        with suppress(BrokenPipeError):
            line.close()


def _result(folder: Path) -> dict[str, Any]:
    return read_json(folder / RESULT)


def _test_metrics(folder: Path) -> dict[str, float]:
    content = read_json(folder / "test.json").items()
    return {key: value for key, value in content if key.startswith("test/") and isinstance(value, float)}


def _unknown(monitor: str, logged: list[str]) -> str:
    near = nearest(monitor, logged, 3, 0.4) or logged
    return f"{monitor!r} is not logged by the validation; did you mean {', '.join(near) or 'nothing: it logs none'}?"
