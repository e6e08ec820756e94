"""Wall: whose classes may be named besides those in the lists: of packages that the user trusts, and of nobody else.

Foreign data must not choose what is imported and called. Only the command line, ``EUROSAT_TRUST`` and arguments in
Python trust a package; a config or a checkpoint cannot.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.machinery import ModuleSpec, PathFinder
from itertools import pairwise
from pathlib import Path

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.network import online

VARIABLE = "EUROSAT_TRUST"
PACKAGES = ("eurosat_cls", "torch", "torchvision", "torchmetrics", "lightning", "timm")  # parts of these are listed
# Never, whatever --trust says: a config can have no use for these but to run something.
NEVER = frozenset({*sys.stdlib_module_names, "jsonargparse", "pip", "pkg_resources", "setuptools"})

_trusted: ContextVar[tuple[str, ...]] = ContextVar("trusted", default=())


def config_folders(arguments: Sequence[str]) -> list[Path]:
    """Return the folders of the config files of a command line."""
    named = [value for option, value in pairwise(arguments) if option in ("-c", "--config")]
    named += [argument.partition("=")[2] for argument in arguments if argument.startswith(("-c=", "--config="))]
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
    for source, name in (*(("--trust", name) for name in packages), *((VARIABLE, name) for name in listed)):
        _check_trustable(source, name)
    named = (*_trusted.get(), *packages, *listed)
    finder = _Finder({name.partition(".")[0] for name in named} - {*PACKAGES}, [str(f.resolve()) for f in folders])
    token = _trusted.set(named)
    sys.meta_path.append(finder)  # last, so that nothing installed is replaced
    try:
        with online(False):  # until one of their classes is taken
            yield named
    finally:
        sys.meta_path.remove(finder)
        _trusted.reset(token)


def trusted_packages() -> tuple[str, ...]:
    """Return what is trusted now besides what the lists have."""
    return _trusted.get()


def is_trusted(path: str) -> bool:
    """Whether an import path is of what is trusted now besides what the lists have."""
    return any(f"{path}.".startswith(f"{place}.") for place in _trusted.get())


def _check_trustable(source: str, name: str) -> None:
    if not all(part.isidentifier() for part in name.split(".")):
        raise UserError(f"{source} {name}: is no import path, such as my_package.")
    top = name.partition(".")[0]
    if top in NEVER:
        raise UserError(f"{source} {name}: refused, a config has no use for it but to run code. Name your own package.")
    parts = ("torch.nn", "torch.optim", *(f"{package}." for package in PACKAGES[2:]))
    if top in PACKAGES and not name.startswith(parts):
        raise UserError(f"{source} {name}: has no effect, the classes of {top} that a config may name are listed.")


class _Finder:
    """Finds trusted packages, and nothing else, in some folders."""

    def __init__(self, names: set[str], folders: list[str]) -> None:
        self.names, self.folders = names, folders

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, self.folders) if path is None and name in self.names else None
