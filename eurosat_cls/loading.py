"""A ready model from a checkpoint alone."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from eurosat_cls.checkpoints import check_fits, read_checkpoint
from eurosat_cls.classifier import Classifier
from eurosat_cls.errors import UserError

# Packages whose classes a checkpoint may name. It is foreign data: importing whatever it asks for would run that.
TRUSTED = ("eurosat_cls", "torch", "torchmetrics", "torchvision", "timm")


def load(path: str | Path, trust: Sequence[str] = (), calibrate: bool | None = None) -> Classifier:
    """Return the trained model of a run, in evaluation mode on the CPU.

    Args:
        path: a run folder (its best checkpoint is taken, else the last one) or a checkpoint.
        trust: further packages whose classes the checkpoint may name, such as that of an encoder of your own.
        calibrate: whether probabilities are calibrated by the temperature in the checkpoint; None for what its
            training was configured with.

    Raises:
        UserError: when there is no checkpoint, it is damaged or holds pickled code, it names classes of other packages,
            or it is no Classifier's.

    Example:
        >>> model = load("lightning_logs/version_0")  # doctest: +SKIP
        >>> model.predict(images).names[:2]  # doctest: +SKIP
        ['River', 'Forest']
    """
    file = _checkpoint_in(Path(path))
    checkpoint = read_checkpoint(file)
    saved: Any = checkpoint.get("hyper_parameters")
    if not isinstance(saved, Mapping) or not {"encoder", "class_names", "bands"} <= saved.keys():
        raise UserError(f"{file}: not a checkpoint of a Classifier of this project.")
    # How it was trained and run there is of no concern here.
    needed = inspect.signature(Classifier).parameters.keys() - {"optimizer", "lr_scheduler", "metrics", "compile"}
    packages = (*TRUSTED, *trust)
    arguments = {key: _made(value, packages, file) for key, value in saved.items() if key in needed}
    chosen = {} if calibrate is None else {"calibrate": calibrate}
    model = Classifier(**{**arguments, **chosen, "memory_format": "contiguous"})
    check_fits(checkpoint, model, file)
    model.load_state_dict(checkpoint["state_dict"])
    return model.eval()


def _checkpoint_in(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_dir():
        return path
    places = [path / folder / f"{name}.ckpt" for folder in ("checkpoints", "") for name in ("best", "last")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise UserError(f"{path} has no checkpoints/best.ckpt or last.ckpt: name a run folder or a checkpoint.")
    return found


def _made(value: Any, packages: Sequence[str], file: Path) -> Any:
    """Turn the plain form of factories into factories again."""
    if isinstance(value, Mapping) and "class_path" in value:
        arguments = {key: _made(item, packages, file) for key, item in (value.get("init_args") or {}).items()}
        kind = _class(str(value["class_path"]), packages, file)
        return partial(kind, **arguments) if arguments else kind
    if isinstance(value, Mapping):
        return {key: _made(item, packages, file) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_made(item, packages, file) for item in value]
    return value


def _class(path: str, packages: Sequence[str], file: Path) -> Callable[..., Any]:
    module, _, name = path.rpartition(".")
    if module.split(".")[0] not in packages:
        raise UserError(
            f"{file} names {path}, of a package that is not trusted; if you know it, load(..., "
            f"trust=[{module.split('.')[0]!r}])."
        )
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{file} names {path}, which cannot be imported ({error}).") from None
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise UserError(f"{file} names {path}, which is no module of a network.")
    return found
