"""Whether more or less of what a model logs is better, known from its settings before it is built."""

from collections.abc import Mapping
from typing import Any

from eurosat_cls.config.jsonargparse_private import import_object
from eurosat_cls.metrics import Mode, direction_of
from eurosat_cls.models.stage_scores import STAGES

# More of what every task scores by default is better.
_DEFAULT = {"accuracy", "macro_f1", "f1", "auroc", "average_precision", "exact_match", "mean_average_precision"}


def known_mode(monitor: str, metrics: Mapping[str, Any] | None) -> Mode | None:
    """Return the direction of a logged name, None where nobody knows it.

    Args:
        monitor: such as ``val/accuracy``.
        metrics: of the model by name: objects, or settings with their ``class_path``; None or empty for the default.

    Example:
        >>> known_mode("val/loss", None), known_mode("val/accuracy", None), known_mode("val/mine", None)
        ('min', 'max', None)
        >>> known_mode("val/ece", {"ece": {"class_path": "torchmetrics.classification.MulticlassCalibrationError"}})
        'min'
    """
    stage, _, name = monitor.partition("/")
    if stage not in STAGES:
        return None
    if name == "loss":
        return "min"
    if not metrics:
        return "max" if name in _DEFAULT else None
    metric = metrics.get(name)
    if isinstance(metric, Mapping):
        metric = import_object(str(metric["class_path"]))
    return None if metric is None else direction_of(metric)


def contradiction(monitor: str, known: Mode | None, given: str | None) -> str | None:
    """Return what is wrong with a direction that was given, in a sentence; None where nothing is."""
    if known is None or given not in ("min", "max") or known == given:
        return None
    return f"{given!r} contradicts {monitor}, of which {'more' if known == 'max' else 'less'} is better: leave it out."
