"""Which classes a config or a checkpoint may name: foreign data must not choose what is imported and called.

A name is judged twice. Before anything is imported its package must be trusted. After that the object itself must be a
class that is *defined* in a trusted place and is something that a training is built of, so that what a trusted module
happens to import (``torch.os.system``) or to offer for other ends (``torch.hub.load``) cannot be reached either.
"""

import inspect
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonargparse

from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import check_local

VARIABLE = "EUROSAT_TRUST"
PACKAGES = ("eurosat_cls", "torch", "torchvision", "torchmetrics", "lightning", "timm")

# Where in those packages a class must be defined. Left out on purpose: torch.hub, torch.package, torch.jit, torch.fx,
# torch.serialization, torch.utils and torch.distributed, whose business is to load, compile, fetch or start things.
PLACES = (
    "eurosat_cls", "torch.nn", "torch.optim", "torchvision.models", "torchvision.ops", "torchvision.transforms",
    "torchmetrics", "lightning.pytorch", "lightning.fabric", "timm",
)  # fmt: skip
# Not even in those places, and never by --trust: what writes a given content to a given place, or serves a port.
CLOSED = (
    "eurosat_cls.callbacks.predictions", "eurosat_cls.callbacks.run_metadata", "eurosat_cls.callbacks.scores",
    "eurosat_cls.cli",
    "lightning.pytorch.cli",
    "lightning.pytorch.serve",
    "lightning.fabric.plugins.io", "lightning.pytorch.plugins.io",
)  # fmt: skip
# Only when --trust names them: what sends metrics to a server, or fetches a network of its own.
ONLINE = (
    *(f"lightning.pytorch.loggers.{name}" for name in ("comet", "litlogger", "mlflow", "neptune", "wandb")),
    *(f"torchmetrics.{name}" for name in ("audio", "multimodal", "text")),
    *(f"torchmetrics.image.{name}" for name in ("arniqa", "dists", "fid", "inception", "kid", "lpip", "mifid",
                                                "perceptual_path_length")),
)  # fmt: skip
# Never, whatever --trust says: a config can have no use for these but to run something.
FOREVER_REFUSED = frozenset({*sys.stdlib_module_names, "jsonargparse", "pip", "pkg_resources", "setuptools"})

_trusted: ContextVar[tuple[str, ...]] = ContextVar("trusted", default=())


# --- whom the user trusts ------------------------------------------------------------------------------------------


def config_folders(arguments: Sequence[str]) -> list[Path]:
    """Return the folders of the config files of a command line.

    Raises:
        UserError: for the address of a config elsewhere.
    """
    named = [value for option, value in pairwise(arguments) if option == "--config"]
    named += [argument.partition("=")[2] for argument in arguments if argument.startswith("--config=")]
    for name in named:
        check_local(name, "config")
    return [Path(name).expanduser().parent for name in named]


@contextmanager
def trusting(packages: Sequence[str] = (), folders: Sequence[Path] = ()) -> Iterator[tuple[str, ...]]:
    """Trust further packages, and those that ``EUROSAT_TRUST`` lists, while the block runs; yield all of them.

    Args:
        packages: import paths such as ``my_package``.
        folders: where the trusted packages, and only they, can be imported from besides where Python looks.

    Raises:
        UserError: for what is no import path, or can never be trusted.
    """
    listed = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    for source, names in (("--trust", packages), (VARIABLE, listed)):
        for name in names:
            _check_trustable(source, name)
    named = (*_trusted.get(), *packages, *listed)
    finder = _Finder({name.partition(".")[0] for name in named} - set(PACKAGES), [str(f.resolve()) for f in folders])
    token = _trusted.set(named)
    sys.meta_path.append(finder)  # last, so that nothing installed is replaced
    try:
        yield named
    finally:
        sys.meta_path.remove(finder)
        _trusted.reset(token)


def trusted_packages() -> tuple[str, ...]:
    """Return what is trusted now besides the packages of :data:`PACKAGES`."""
    return _trusted.get()


def _check_trustable(source: str, name: str) -> None:
    if not all(part.isidentifier() for part in name.split(".")):
        raise UserError(f"{source} {name}: is no import path, such as my_package.")
    top = name.partition(".")[0]
    if top in FOREVER_REFUSED:
        raise UserError(f"{source} {name}: refused, a config has no use for it but to run code. Name your own package.")
    if top in PACKAGES and not _under(name, ONLINE):
        raise UserError(f"{source} {name}: has no effect, the classes of {top} that a config may name are trusted.")


class _Finder:
    """Finds trusted packages, and nothing else, in some folders."""

    def __init__(self, names: set[str], folders: list[str]) -> None:
        self.names, self.folders = names, folders

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, self.folders) if path is None and name in self.names else None


# --- what a name may mean ------------------------------------------------------------------------------------------


def reason_against(path: str) -> str | None:
    """Say why an import path is refused by its name alone, if it is; nothing is imported."""
    top = path.partition(".")[0]
    if "." not in path or not all(part.isidentifier() for part in path.split(".")):
        return f"{path[:80]!r} is no import path of a class."
    if top in FOREVER_REFUSED or (_under(path, CLOSED) and top in PACKAGES):
        return f"{path} is refused, it is nothing that a training is built of."
    if _under(path, _trusted.get()) or top in PACKAGES:
        return None
    return f"{path} is of a package that is not trusted: --trust {top} if you know it (in Python trust=[{top!r}])."


def resolve(path: str, where: str) -> Any:
    """Import what a config or a checkpoint names, if it may name it.

    Args:
        path: the import path.
        where: what names it, for the error.

    Raises:
        UserError: for a name or an object that is refused, and for what cannot be imported.
    """
    if reason := reason_against(path):
        raise UserError(f"{where}: {reason}")
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{where}: {path} cannot be imported ({error}).") from None
    check_object(found, path, where)
    return found


def check_object(found: Any, path: str, where: str) -> None:
    """Judge what a name has turned out to be, by where it is defined and what it is.

    Raises:
        UserError: for anything but a class that a training is built of, a function of ``torch.nn.functional``, or a
            class or function of a package that the user trusts.
    """
    home = getattr(found, "__module__", None) or ""
    if inspect.isclass(found) or inspect.isroutine(found):
        if _under(home, _trusted.get()):
            return
        if _under(home, ONLINE):
            raise UserError(f"{where}: {path} goes to a network: --trust {home} if you want that.")
        if _under(home, PLACES) and not _under(home, CLOSED) and is_part(found):
            return
    if inspect.isroutine(found) and _is_function_of_networks(found):
        return
    defined = f" (it is {home}.{found.__qualname__})" if home and hasattr(found, "__qualname__") else ""
    raise UserError(f"{where}: {path} is refused, it is nothing that a training is built of{defined}.")


def is_part(found: Any) -> bool:
    """Return whether it is a class of what a config builds."""
    from lightning.fabric.plugins import ClusterEnvironment, Precision
    from lightning.fabric.strategies.strategy import Strategy as FabricStrategy
    from lightning.pytorch import Callback, LightningDataModule
    from lightning.pytorch.accelerators import Accelerator
    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.plugins import LayerSync
    from lightning.pytorch.profilers import Profiler
    from lightning.pytorch.strategies import Strategy
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    network = (nn.Module, Optimizer, LRScheduler, LightningDataModule, Configurable)
    training = (Callback, Logger, Profiler, Strategy, FabricStrategy, Accelerator, Precision, LayerSync)
    return inspect.isclass(found) and issubclass(found, (*network, *training, ClusterEnvironment))


def _is_function_of_networks(found: Any) -> bool:
    """Whether it is a function of ``torch.nn.functional``, such as an activation."""
    from torch.nn import functional

    home = getattr(found, "__module__", None)
    own = home is None or _under(home, ("torch.nn.functional", "torch._C", "torch"))
    return own and vars(functional).get(getattr(found, "__name__", "")) is found


# --- the parser ----------------------------------------------------------------------------------------------------

_DENIED = re.compile(r"Importing '([^']+)' is not allowed, denied by .*?set_parsing_settings to allow it\.", re.DOTALL)


@contextmanager
def closed_parser(packages: Sequence[str]) -> Iterator[None]:
    """Let jsonargparse import from the trusted packages and these only; afterwards from the trusted ones only.

    It judges a name before the import, and where the object is defined after it, while it parses. What the object is
    good for is judged by :func:`eurosat_cls.config.class_checks.check_config` before anything is built.
    """
    set_parsing = jsonargparse.set_parsing_settings
    set_parsing(import_path_denylist=["*"], import_path_allowlist=[*PACKAGES, *packages])
    try:
        yield
    finally:
        set_parsing(import_path_denylist=[name for name in packages if name not in PACKAGES])


def explain(message: str) -> str:
    """Say in our words what jsonargparse refused to import."""
    return _DENIED.sub(lambda found: reason_against(found[1]) or f"{found[1]} is refused.", message)


def _under(path: str, places: Sequence[str]) -> bool:
    return any(path == place or path.startswith(f"{place}.") for place in places)
