"""What earlier versions called things, for the checkpoints and run folders that they left.

Configurations of a person's own are not changed: an old key there is a mistake, which names the new one.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Modules whose classes saved configurations and hyper-parameters name.
MODULES = {
    "eurosat_cls.autoencoder": "eurosat_cls.models.autoencoder",
    "eurosat_cls.classifier": "eurosat_cls.models.classifier",
    "eurosat_cls.masking": "eurosat_cls.models.masking",
    "eurosat_cls.weights": "eurosat_cls.checkpoints.weights",
    **{
        f"eurosat_cls.callbacks.{name}": f"eurosat_cls.callbacks.pictures.{name}"
        for name in ("attention", "calibration", "class_scores", "confusion_matrix", "curves", "gradcam",
                     "misclassified", "projector", "reconstructions")
    },
    "eurosat_cls.callbacks.batch_picture": "eurosat_cls.callbacks.pictures.batch",
    "eurosat_cls.callbacks.batch_size_finder": "eurosat_cls.callbacks.finders.batch_size",
    "eurosat_cls.callbacks.guard": "eurosat_cls.callbacks.nonfinite_loss",
    "eurosat_cls.callbacks.learning_rate_finder": "eurosat_cls.callbacks.finders.learning_rate",
    "eurosat_cls.callbacks.record": "eurosat_cls.callbacks.run_metadata",
    "eurosat_cls.callbacks.report": "eurosat_cls.callbacks.scores",
    "eurosat_cls.callbacks.run_report": "eurosat_cls.callbacks.scores",
}  # fmt: skip
CLASSES = {"Report": "TestScores", "RunRecord": "RunMetadata", "RunReport": "TestReport"}  # callbacks
_AUGMENTATIONS = (
    "BandDropout", "BandJitter", "Blur", "BrightnessContrast", "Crop", "CutMix", "Cutout", "Dihedral", "Flip",
    "Mixup", "Noise", "Shift",
)  # fmt: skip
# Arguments, by the name of their class.
KEYS: dict[str, dict[str, str]] = {
    "CellMasking": {"cell": "cell_size", "share": "mask_ratio"},
    "BandMasking": {"share": "mask_ratio"},
    **{name: {"off_last_epochs": "disable_last_epochs"} for name in _AUGMENTATIONS},
}
# Values of arguments, by the name of their class and by key.
VALUES: dict[tuple[str, str], dict[Any, Any]] = {
    (name, "fill"): {"mirror": "reflect"} for name in ("Crop", "Shift")
}  # fmt: skip
# Keys of a checkpoint, of its part `run`, and of the states of its callbacks.
_OF_CHECKPOINT = {"plateau_figure": "plateau_metric"}
_OF_RUN = {"figures": "metrics"}
_OF_STATE = {"figure": "metric"}


def is_run_config(path: Path) -> bool:
    """Whether a configuration file is the one that a run left in its folder."""
    return path.name == "config.yaml" and (path.parent / "checkpoints").is_dir()


def present_path(class_path: str) -> str:
    """Return the import path that a class has now.

    Example:
        >>> present_path("eurosat_cls.masking.CellMasking"), present_path("torch.optim.SGD")
        ('eurosat_cls.models.masking.CellMasking', 'torch.optim.SGD')
    """
    module, dot, name = class_path.rpartition(".")
    if not dot or not module.startswith("eurosat_cls."):
        return class_path
    return f"{MODULES.get(module, module)}.{CLASSES.get(name, name)}"


def present_settings(
    settings: Any,
    value_of: Callable[[Any], Any] = lambda item: item,
    with_value: Callable[[Any, Any], Any] = lambda item, value: value,
    depth: int = 64,
) -> Any:
    """Return nested settings of a former version with the names of today.

    Args:
        settings: mappings, lists and scalars, or whatever holds them.
        value_of: takes a value out of what holds it.
        with_value: puts another value into a copy of what holds one.
        depth: how deep to look; no configuration is as deep.

    Example:
        >>> present_settings({"class_path": "eurosat_cls.masking.CellMasking", "init_args": {"cell": 8}})
        {'class_path': 'eurosat_cls.models.masking.CellMasking', 'init_args': {'cell_size': 8}}
    """
    value = value_of(settings)
    if depth and isinstance(value, list):
        return with_value(settings, [present_settings(item, value_of, with_value, depth - 1) for item in value])
    if not depth or not isinstance(value, Mapping):
        return settings
    items = {key: present_settings(item, value_of, with_value, depth - 1) for key, item in value.items()}
    named = items.get("class_path")
    path = value_of(named) if named is not None else None
    if isinstance(path, str):
        items["class_path"] = with_value(named, present_path(path))
        name, arguments = path.rpartition(".")[2], items.get("init_args")
        given = value_of(arguments) if arguments is not None else None
        if isinstance(given, Mapping):
            kept = {KEYS.get(name, {}).get(key, key): _present(item, name, key, value_of, with_value)
                    for key, item in given.items()}  # fmt: skip
            items["init_args"] = with_value(arguments, kept)
    return with_value(settings, items)


def present_checkpoint(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint of a former version with the names of today; tensors are shared, not copied."""
    found = {_OF_CHECKPOINT.get(key, key): value for key, value in checkpoint.items()}
    if isinstance(settings := found.get("hyper_parameters"), Mapping):
        found["hyper_parameters"] = present_settings(dict(settings))
    if isinstance(run := found.get("run"), Mapping):
        found["run"] = {_OF_RUN.get(key, key): value for key, value in run.items()}
        if "config" in run:
            found["run"]["config"] = present_settings(run["config"])
    if isinstance(states := found.get("callbacks"), Mapping):
        found["callbacks"] = {_present_state_key(key): _renamed(state, _OF_STATE) for key, state in states.items()}
    return found


def _present(item: Any, name: str, key: str, value_of: Callable[[Any], Any], with_value: Callable[..., Any]) -> Any:
    value, renamed = value_of(item), VALUES.get((name, key), {})
    return with_value(item, renamed[value]) if isinstance(value, str) and value in renamed else item


def _renamed(state: Any, names: Mapping[str, str]) -> Any:
    return {names.get(key, key): value for key, value in state.items()} if isinstance(state, Mapping) else state


def _present_state_key(key: Any) -> Any:
    """Lightning names the state of a callback by its class, and by what its class adds in braces."""
    name, brace, rest = str(key).partition("{")
    return f"{CLASSES[name]}{brace}{rest}" if name in CLASSES else key
