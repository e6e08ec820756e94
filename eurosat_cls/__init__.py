"""Train, test and trust land-cover classifiers for Sentinel-2 patches from one YAML file."""

import os
import sys

# Wall: nothing of the current folder is imported by `python -m eurosat_cls`, which puts it before all other places, as
# does an empty one in PYTHONPATH: a stranger's run folder may hold a yaml.py. Where this package itself lies in it, it
# comes last, also for the processes of a training on several devices. Nothing but these two modules is there yet.
if sys.argv[:1] == ["-m"] and any(
    word == __name__ or word[:1] + word[-12:] == f"-m{__name__}" for word in (w.split(".")[0] for w in sys.orig_argv)
):
    _here, _named = os.getcwd(), [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    _wanted = _here in map(os.path.abspath, _named)
    _kept = sys.path[1:] if sys.path[:1] == [_here] else sys.path
    sys.path[:] = [place for place in _kept if place and (_wanted or place != _here)]
    if os.path.dirname(os.path.dirname(os.path.abspath(__file__))) == _here:
        sys.path.append(_here)
        os.environ["PYTHONPATH"] = os.pathsep.join([*_named, _here])

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
