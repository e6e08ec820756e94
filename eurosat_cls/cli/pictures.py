"""Pictures that were added on the command line, where they cannot be drawn."""

import warnings
from collections.abc import Sequence

from lightning.pytorch import Callback, LightningModule

from eurosat_cls.callbacks.pictures.base import PlotCallback
from eurosat_cls.config.tree import Node
from eurosat_cls.models.classifier import Classifier

DRAW = ("fit", "test")  # the commands that draw
_HOOKS = {"fit": ("on_fit", "on_train", "on_validation"), "test": ("on_test",)}


def warn_of_undrawn(tree: Node, command: str, pictures: Sequence[Callback], model: LightningModule) -> None:
    """Warn of pictures that ``--pictures+`` adds and a command, or a model, has no use for.

    Args:
        tree: the configuration with its origins; one file serves all commands, so what stands in it is no wish.
        command: its name.
        pictures: the callbacks that draw.
        model: the model.
    """
    lists = [tree.value[key] for key in ("pictures", "pictures+") if key in tree.value]
    asked = [item for node in lists for item in (node.value if isinstance(node.value, list) else [node])]
    names = {_name(item) for item in asked if item.origin.startswith("--pictures+")}
    if not names:
        return
    if command not in DRAW:
        warnings.warn(f"--pictures+ has no effect: {command} draws nothing, {' and '.join(DRAW)} do", stacklevel=2)
    for picture in pictures if command in DRAW else ():
        name = type(picture).__name__
        if name in names and not _has_hook(picture, _HOOKS[command]):
            warnings.warn(f"--pictures+: {name} is not drawn by {command}", stacklevel=2)
        elif name in names and isinstance(picture, PlotCallback) and not isinstance(model, Classifier):
            warnings.warn(f"--pictures+: {name} is for classifiers, not for {type(model).__name__}", stacklevel=2)


def _name(item: Node) -> str:
    named = item.value["class_path"].value if item.is_class and "class_path" in item.value else item.value
    return str(named).rpartition(".")[2]


def _has_hook(picture: Callback, starts: tuple[str, ...]) -> bool:
    hooks = [name for name in dir(Callback) if name.startswith(starts)]
    return any(getattr(type(picture), name) is not getattr(Callback, name) for name in hooks)
