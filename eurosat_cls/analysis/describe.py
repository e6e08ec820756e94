"""What a checkpoint says of itself, as a short page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from eurosat_cls.checkpoints.files import RUN, _mapping, checkpoint_in, read_checkpoint, saved_configuration
from eurosat_cls.config.limits import check_size
from eurosat_cls.config.roles import refused_names
from eurosat_cls.data.splits.check import split_of
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.text import printable

_LONGEST = 16  # items of a list that are shown


def describe_checkpoint(path: Path) -> str:
    """Return a page of plain text on a checkpoint. Nothing that the checkpoint names is imported.

    Args:
        path: a checkpoint, or a run folder (its best checkpoint is taken, else the last one).

    Raises:
        UserError: when there is none, or it is damaged or holds pickled code.
    """
    file = checkpoint_in(path)
    checkpoint = read_checkpoint(file)
    settings, run = _mapping(checkpoint, "hyper_parameters"), _mapping(checkpoint, RUN)
    refused = refused_names([settings, run])
    rows = {
        "what": _what(checkpoint, settings),
        "classes": _list(settings.get("class_names")),
        "bands": _list(settings.get("bands")),
        "units": _units(settings),
        **_network(checkpoint, settings, run),
        "saved": _saved(checkpoint, run),
        "best so far": _best(checkpoint),
        "validated": run.get("validated"),
        **_data(checkpoint, run),
        "seed": run.get("seed"),
        "execution": _pairs(_mapping(checkpoint, "execution")),
        "versions": _pairs(_mapping(run, "versions")),
        "git": _pairs(_mapping(run, "git")),
        "not trusted": ", ".join(refused[:_LONGEST]),
    }
    width = max(map(len, rows))
    lines = [f"{name:{width}}  {value}" for name, value in rows.items() if value not in (None, "", {})]
    return printable("\n".join([str(file), *lines]))


def configuration_of(path: Path) -> str:
    """Return the configuration in a checkpoint as YAML that ``fit`` takes.

    Raises:
        UserError: as :func:`describe_checkpoint`, and for a checkpoint without one.
    """
    file = checkpoint_in(path)
    kept = saved_configuration(read_checkpoint(file))
    check_size(kept, str(file))
    if not kept:
        raise UserError(f"{file} holds no configuration; it was not written by the command line of this version.")
    return printable(yaml.safe_dump(kept, sort_keys=False))


def _what(checkpoint: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    kind = "Classifier" if "class_names" in settings else "AutoEncoder" if "masking" in settings else "model"
    task = f", {settings['task']}" if "task" in settings else ""
    return f"{kind}{task}; Lightning {checkpoint.get('pytorch-lightning_version', 'unknown')}"


def _units(settings: Mapping[str, Any]) -> str:
    values = [settings.get(name) for name in ("bands", "mean", "std")]
    if not all(isinstance(each, list) for each in values):
        return ""
    described = [f"{band} {_number(mean)} +- {_number(std)}" for band, mean, std in zip(*values)]  # type: ignore[arg-type]
    return f"raw sensor values, of mean and deviation {_list(described, count=False)}"


def _network(checkpoint: Mapping[str, Any], settings: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, str]:
    counted = _mapping(run, "parameters")
    rows = {}
    for part in ("encoder", "decoder", "loss"):
        spec = _mapping(settings, part)
        if not spec and part not in counted:
            continue
        arguments = ", ".join(f"{name}={value}" for name, value in _mapping(spec, "init_args").items())
        count = f"; {_number(counted[part])} parameters" if counted.get(part) else ""
        rows[part] = f"{spec.get('class_path', 'the default one')}({arguments}){count}"
    if "encoder" not in counted:
        values = sum(getattr(tensor, "numel", int)() for tensor in checkpoint["state_dict"].values())
        rows["values"] = f"{values:,} numbers, statistics and metrics included"
    return rows


def _saved(checkpoint: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    planned = _mapping(_mapping(run, "config"), "trainer").get("max_epochs")
    epoch = checkpoint.get("epoch")
    when = f"epoch {epoch + 1}" if isinstance(epoch, int) else "epoch unknown"
    when += f" of {planned}" if isinstance(planned, int) and planned > 0 else ""
    metrics = _pairs(_mapping(run, "metrics"))
    return f"{when}, step {checkpoint.get('global_step', 'unknown')}" + (f"; {metrics}" if metrics else "")


def _best(checkpoint: Mapping[str, Any]) -> str:
    for name, state in _mapping(checkpoint, "callbacks").items():
        epoch = state.get("best_epoch") if isinstance(state, Mapping) else None
        if str(name).startswith("Checkpoints{") and isinstance(epoch, int):
            monitor = str(name).partition("'monitor': '")[2].partition("'")[0]
            return f"{monitor} {_number(state.get('best_score'))} in epoch {epoch + 1}"
    return ""


def _data(checkpoint: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, str]:
    data = _mapping(run, "data") or split_of(checkpoint)
    patches = {
        part: sum(n for n in counts.values() if isinstance(n, int))
        for part, counts in _mapping(data, "patches").items()
        if isinstance(counts, Mapping)
    }
    return {
        "data": str(data.get("source", "")),
        "patches": _pairs(patches),
        "split": str(data.get("split_method", "")),
        "split SHA-256": str(data.get("split_sha256", "")),
    }


def _list(values: Any, count: bool = True) -> str:
    if not isinstance(values, list):
        return ""
    shown = ", ".join(map(str, values[:_LONGEST])) + (", ..." if len(values) > _LONGEST else "")
    return f"{len(values)}: {shown}" if count else shown


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in list(values.items())[:_LONGEST])


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
