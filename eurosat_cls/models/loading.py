"""A ready model from a checkpoint alone."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from eurosat_cls.checkpoints.compatibility import check_fits
from eurosat_cls.checkpoints.files import checkpoint_in, read_checkpoint
from eurosat_cls.checkpoints.portable import GRAPH
from eurosat_cls.checkpoints.tensor_limits import Budget
from eurosat_cls.config.roles import check_settings, parameters, resolve
from eurosat_cls.config.settings import elements
from eurosat_cls.config.trust import trusting
from eurosat_cls.models.autoencoder import AutoEncoder
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.onnx_classifier import ExportedNetwork
from eurosat_cls.utils.errors import UserError

_KINDS: dict[type[Classifier | AutoEncoder], set[str]] = {
    Classifier: {"encoder", "class_names", "bands"},
    AutoEncoder: {"encoder", "decoder", "masking", "bands"},
}


def load(path: str | Path, trust: Sequence[str] = (), calibrate: bool | None = None) -> Classifier:
    """Return the trained model of a run, in evaluation mode on the CPU.

    Args:
        path: a run folder (its best checkpoint is taken, else the last one), a checkpoint, or an exported model in
            ONNX (it runs by onnxruntime) or safetensors.
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
    model = model_of(read_checkpoint(file), file, trust, **({} if calibrate is None else {"calibrate": calibrate}))
    if not isinstance(model, Classifier):
        raise UserError(f"{file}: not a checkpoint of a Classifier of this project.")
    return model


def model_of(
    checkpoint: Mapping[str, Any], file: Path, trust: Sequence[str] = (), **chosen: Any
) -> Classifier | AutoEncoder:
    """Return the model that a checkpoint holds, in evaluation mode on the CPU.

    Args:
        checkpoint: as :func:`~eurosat_cls.checkpoints.files.read_checkpoint` returns it.
        file: where it is from.
        trust: as in :func:`load`.
        chosen: settings of the model that replace the checkpoint's.

    Raises:
        UserError: as :func:`load`.
    """
    saved: Any = checkpoint.get("hyper_parameters")
    kind = next((kind for kind, keys in _KINDS.items() if isinstance(saved, Mapping) and keys <= saved.keys()), None)
    graph = checkpoint.get(GRAPH)
    if kind is None or (graph is not None and kind is not Classifier):
        raise UserError(f"{file}: not a checkpoint of a Classifier of this project.")
    # How it was trained and run there is of no concern here.
    needed = inspect.signature(kind).parameters.keys() - {"optimizer", "lr_scheduler", "metrics", "compile"}
    settings = {**saved, **chosen, "memory_format": "contiguous"}
    if graph is not None:
        plain = needed - {"encoder", "decoder", "loss", "indices", "weights"}
        model: Any = ExportedNetwork(graph, str(file), {key: settings[key] for key in plain & settings.keys()})
    else:
        with trusting(trust):
            check_settings(saved, str(file))
            kinds = parameters(kind)
            with _described_by(file), Budget(checkpoint["state_dict"], str(file)):
                made = {key: _made(settings[key], str(file), kinds.get(key)) for key in needed & settings.keys()}
                model = kind(**made)
        check_fits(dict(checkpoint), model, file)
    model.load_state_dict(checkpoint["state_dict"], strict=graph is None)
    if isinstance(model, Classifier):
        model.take_evidence(checkpoint, str(file))
    found: Classifier | AutoEncoder = model.eval()
    return found


@contextmanager
def _described_by(file: Path) -> Iterator[None]:
    """Name the file whose settings, which may be anything, make a constructor fail."""
    try:
        yield
    except Exception as error:
        if str(file) in str(error):
            raise
        said = f"{type(error).__name__}: {error}".splitlines()[0][:300].removeprefix("UserError: ")
        raise UserError(f"{file}: the network that its settings describe cannot be built ({said}).") from error


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
