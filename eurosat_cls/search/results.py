"""What a search has found: a table, a configuration and pictures."""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from eurosat_cls.analysis.plots.files import write_png
from eurosat_cls.search.queue import FOLDER, REASON, VOID
from eurosat_cls.search.rows import _STATES, Row, format_value, short_names
from eurosat_cls.search.space import Scalar
from eurosat_cls.utils.files import csv_text, write_text

ENOUGH_FOR_IMPORTANCE, ENOUGH_TO_TRUST = 4, 30  # complete trials


def line_of(row: Row, best: Row | None, monitor: str, target: int, done: int) -> str:
    """Say in a line what became of a trial."""
    params = "  ".join(f"{name} {format_value(value)}" for name, value in row.params.items())
    metric = "" if row.value is None else f"  {monitor} {row.value:.4f}"
    state = "" if row.state == "complete" else f" {row.state}"
    same = f" (as trial {row.attrs['same_as']})" if "same_as" in row.attrs else ""
    lead = "" if best is None or best.value is None else f"  best {best.value:.4f} (trial {best.number})"
    seconds = f"  {row.attrs['seconds']:.0f} s" if "seconds" in row.attrs else ""
    reason = f"\n    {row.attrs[REASON]}" if row.state == "failed" and REASON in row.attrs else ""
    return f"[{done}/{target}] trial {row.number}{state}{same}{metric}{lead}  {params}{seconds}{reason}"


def write_table(trials: Sequence[FrozenTrial], path: Path) -> None:
    """Write ``trials.csv``: every trial there has been, those too that were interrupted and made again."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    rows: list[list[object]] = [["trial", "state", "value", "best_epoch", "seconds", "folder", "reason", *names]]
    for trial in trials:
        attrs = trial.user_attrs
        state = "interrupted" if VOID in attrs else _STATES.get(trial.state, trial.state.name.lower())
        value = trial.value if trial.state == TrialState.COMPLETE else attrs.get("best", "")
        rows.append([
            trial.number, state, value, attrs.get("epoch", ""), attrs.get("seconds", ""), attrs.get(FOLDER, ""),
            attrs.get(VOID, attrs.get(REASON, "")), *(format_exactly(trial.params[n]) if n in trial.params else ""
                                                      for n in names),
        ])  # fmt: skip
    write_text(path, csv_text(rows))


def format_exactly(value: Scalar) -> str:
    """Write a value as YAML would."""
    return format_value(value) if value is None or isinstance(value, bool) else str(value)


def importance_of(study: optuna.Study) -> dict[str, float]:
    """Return how much each parameter decides whether a trial is among the best, by short name; shares of 1.

    By PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023) over complete trials, for reaching the best tenth of them or,
    where that is fewer than five trials, the best five; at most the better half.

    Returns:
        Nothing where there are too few trials, or nothing varies.
    """
    complete = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    varied = {name for name in {n for t in complete for n in t.params}
              if len({repr(t.params.get(name)) for t in complete}) > 1}  # fmt: skip
    if len(complete) < ENOUGH_FOR_IMPORTANCE or not varied:
        return {}
    share = max(0.1, min(0.5, 5 / len(complete)))
    with warnings.catch_warnings():  # about few trials, which the picture tells
        warnings.simplefilter("ignore", UserWarning)
        found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=share))
    short = short_names(found)
    return {short[name]: value for name, value in found.items() if name in varied and value == value}


def draw(study: optuna.Study, rows: Sequence[Row], monitor: str, mode: str, folder: Path) -> list[Path]:
    """Write ``history.png``, ``importance.png`` and ``parallel.png``, as far as there is something to see."""
    from eurosat_cls.search import plots as pictures  # matplotlib is for those who get so far

    valued = [row for row in rows if row.value is not None]
    if not valued:
        return []
    found = {"history": pictures.draw_history(valued, monitor, mode, study.study_name)}
    if importance := importance_of(study):
        complete = sum(row.state == "complete" for row in rows)
        hint = "; a hint only, for so few" if complete < ENOUGH_TO_TRUST else ""
        note = f"{monitor} of {complete} complete trials, by PED-ANOVA{hint}"
        found["importance"] = pictures.draw_importance(importance, note)
    if len(valued) > 1 and any(row.params for row in valued):
        found["parallel"] = pictures.draw_parallel(valued, monitor, mode, study.study_name)
    for name, metric in found.items():
        write_png(folder / f"{name}.png", metric)
    return [folder / f"{name}.png" for name in found]


def print_summary(rows: Sequence[Row], mode: str, monitor: str) -> None:
    """Print how many trials ended how, the five best ones, and why others failed."""
    states = {state: sum(row.state == state for row in rows) for state in ("complete", "pruned", "failed")}
    print(", ".join(f"{count} {state}" for state, count in states.items() if count) or "no trial has ended")
    sign = -1 if mode == "max" else 1
    complete = [row for row in rows if row.state == "complete" and row.value is not None]
    for row in sorted(complete, key=lambda row: (sign * (row.value or 0.0), row.number))[:5]:
        params = "  ".join(f"{name} {format_value(value)}" for name, value in row.params.items())
        print(f"  {monitor} {row.value:.4f}  trial {row.number}  {params}")
    for row in rows:
        if row.state != "complete" and REASON in row.attrs and "pruned after" not in row.attrs[REASON]:
            print(f"trial {row.number} {row.state}: {row.attrs[REASON]}", file=sys.stderr)
