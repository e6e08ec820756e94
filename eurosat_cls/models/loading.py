"""A ready model from a checkpoint alone."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from eurosat_cls.checkpoints.compatibility import check_fits
from eurosat_cls.checkpoints.files import checkpoint_in, read_checkpoint
from eurosat_cls.config.roles import check_settings, parameters, resolve
from eurosat_cls.config.settings import elements
from eurosat_cls.config.trust import trusting
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.utils.errors import UserError


def load(path: str | Path, trust: Sequence[str] = (), calibrate: bool | None = None) -> Classifier:
    """Return the trained model of a run, in evaluation mode on the CPU.

    Args:
        path: a run folder (its best checkpoint is taken, else the last one) or a checkpoint.
        trust: further packages whose classes the checkpoint may name, such as that of an encoder of your own, besides
            those of ``EUROSAT_TRUST``. It is foreign data: importing whatever it asks for would run that.
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
    file = checkpoint_in(Path(path))
    checkpoint = read_checkpoint(file)
    saved: Any = checkpoint.get("hyper_parameters")
    if not isinstance(saved, Mapping) or not {"encoder", "class_names", "bands"} <= saved.keys():
        raise UserError(f"{file}: not a checkpoint of a Classifier of this project.")
    # How it was trained and run there is of no concern here.
    needed = inspect.signature(Classifier).parameters.keys() - {"optimizer", "lr_scheduler", "metrics", "compile"}
    with trusting(trust):
        check_settings(saved, str(file))
        kinds = parameters(Classifier)
        arguments = {key: _made(value, str(file), kinds.get(key)) for key, value in saved.items() if key in needed}
    chosen = {} if calibrate is None else {"calibrate": calibrate}
    model = Classifier(**{**arguments, **chosen, "memory_format": "contiguous"})
    check_fits(checkpoint, model, file)
    model.load_state_dict(checkpoint["state_dict"])
    return model.eval()


def _made(value: Any, file: str, kind: Any) -> Any:
    """Turn the plain form of factories into factories again.

    Args:
        value: nested plain data, of which mappings with a ``class_path`` become factories.
        file: the checkpoint, for errors.
        kind: the type of the setting; None where there is none.

    Raises:
        UserError: for a class that may not stand there, and for settings that are malformed.
    """
    inside = None if kind is None else elements(kind)
    if isinstance(value, Mapping) and "class_path" in value:
        made: Callable[..., Any] = resolve(str(value["class_path"]), file, Any if kind is None else kind)
        given, kinds = value.get("init_args") or {}, parameters(made)
        if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
            raise UserError(f"{file}: the arguments of {value['class_path']} are no settings by name.")
        arguments = {key: _made(item, file, kinds.get(key)) for key, item in given.items()}
        return partial(made, **arguments) if arguments else made
    if isinstance(value, Mapping):
        return {key: _made(item, file, inside) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_made(item, file, inside) for item in value]
    return value
