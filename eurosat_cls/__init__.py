"""Train, test and trust land-cover classifiers for Sentinel-2 patches from one YAML file."""

import os
import sys

# Wall: nothing of the current folder is imported by `python -m eurosat_cls`, which puts it before all other places: a
# stranger's run folder may hold a yaml.py. Where this package itself lies in it, it comes last.
if sys.argv[:1] == ["-m"] and any(argument.split(".")[0] in (__name__, f"-m{__name__}") for argument in sys.orig_argv):
    _here = os.getcwd()
    _kept = [place for place in sys.path[1:] if place] if sys.path[:1] == [_here] else [*sys.path]
    sys.path[:] = [*_kept, _here] if os.path.dirname(os.path.dirname(os.path.abspath(__file__))) == _here else _kept

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["AutoEncoder", "Classifier", "Trainer", "UserError", "__version__", "load", "map_scene"]

_LAZY = {
    "AutoEncoder": "models.autoencoder",
    "Classifier": "models.classifier",
    "Trainer": "training.trainer",
    "UserError": "utils.errors",
    "load": "models.loading",
    "map_scene": "scenes.array",
}


def __getattr__(name: str) -> Any:
    # torch and lightning take seconds to import: they are loaded when a name that needs them is first used.
    if name in _LAZY:
        return getattr(import_module(f"eurosat_cls.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'eurosat_cls' has no attribute {name!r}")
