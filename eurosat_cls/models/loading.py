"""A ready model from a checkpoint alone."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from eurosat_cls.checkpoints.compatibility import check_fits
from eurosat_cls.checkpoints.files import checkpoint_in, read_checkpoint
from eurosat_cls.config.class_checks import check_settings
from eurosat_cls.config.trust import resolve, trusting
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
        arguments = {key: _made(value, str(file)) for key, value in saved.items() if key in needed}
    chosen = {} if calibrate is None else {"calibrate": calibrate}
    model = Classifier(**{**arguments, **chosen, "memory_format": "contiguous"})
    check_fits(checkpoint, model, file)
    model.load_state_dict(checkpoint["state_dict"])
    return model.eval()


def _made(value: Any, file: str) -> Any:
    """Turn the plain form of factories into factories again.

    Args:
        value: nested plain data, of which mappings with a ``class_path`` become factories.
        file: the checkpoint, for errors.

    Raises:
        UserError: for a class that is not trusted.
    """
    if isinstance(value, Mapping) and "class_path" in value:
        arguments = {key: _made(item, file) for key, item in (value.get("init_args") or {}).items()}
        kind: Callable[..., Any] = resolve(str(value["class_path"]), file)
        return partial(kind, **arguments) if arguments else kind
    if isinstance(value, Mapping):
        return {key: _made(item, file) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_made(item, file) for item in value]
    return value
