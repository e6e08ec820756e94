"""Train, test and trust land-cover classifiers for Sentinel-2 patches from one YAML file."""

import os
import sys

# Wall: nothing of the current folder is imported by `python -m eurosat_cls`, which puts it before all other places, as
# does an empty one in PYTHONPATH: a stranger's run folder may hold a yaml.py. Where this package itself lies in it, it
# comes last, also for the processes of a training on several devices. Nothing but these two modules is there yet.
if sys.argv[:1] == ["-m"]:
    _word = sys.orig_argv[-len(sys.argv)]  # the last one before the arguments
    _module = _word[max(0, _word.find(__name__)) :] if _word.startswith("-") else _word
    if _module.partition(".")[0] == __name__:
        _here, _named = os.getcwd(), [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        _wanted = _here in map(os.path.abspath, _named)
        _kept = sys.path[1:] if sys.path[:1] == [_here] else sys.path
        sys.path[:] = [place for place in _kept if place and (_wanted or place != _here)]
        if os.path.dirname(os.path.dirname(os.path.abspath(__file__))) == _here:
            sys.path.append(_here)
            os.environ["PYTHONPATH"] = os.pathsep.join([*_named, _here])
    if _module.startswith(f"{__name__}."):  # a process that a command has started; a command does so when it runs
        from eurosat_cls.utils.children import load_elsewhere

        load_elsewhere()

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what the table below loads when it is first used, for type checkers and editors
    from eurosat_cls.cli.evaluation import Evaluation as Evaluation
    from eurosat_cls.cli.evaluation import evaluate as evaluate
    from eurosat_cls.cli.evaluation import predict as predict
    from eurosat_cls.cli.python import Run as Run
    from eurosat_cls.cli.python import fit as fit
    from eurosat_cls.export.job import export_model as export_model
    from eurosat_cls.export.options import ExportOptions as ExportOptions
    from eurosat_cls.models.autoencoder import AutoEncoder as AutoEncoder
    from eurosat_cls.models.classifier import Classifier as Classifier
    from eurosat_cls.models.loading import load as load
    from eurosat_cls.models.predictions import Predictions as Predictions
    from eurosat_cls.scenes.array import ArrayMap as ArrayMap
    from eurosat_cls.scenes.array import map_scene as map_scene
    from eurosat_cls.scenes.settings import MapOptions as MapOptions
    from eurosat_cls.training.trainer import Trainer as Trainer
    from eurosat_cls.utils.errors import UserError as UserError

__version__ = "0.1.0"
_LAZY = {
    "ArrayMap": "scenes.array",
    "AutoEncoder": "models.autoencoder",
    "Classifier": "models.classifier",
    "Evaluation": "cli.evaluation",
    "ExportOptions": "export.options",
    "MapOptions": "scenes.settings",
    "Predictions": "models.predictions",
    "Run": "cli.python",
    "Trainer": "training.trainer",
    "UserError": "utils.errors",
    "evaluate": "cli.evaluation",
    "export_model": "export.job",
    "fit": "cli.python",
    "load": "models.loading",
    "map_scene": "scenes.array",
    "predict": "cli.evaluation",
}
__all__ = ["__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    # torch and lightning take seconds to import: they are loaded when a name that needs them is first used.
    if name in _LAZY:
        return getattr(import_module(f"eurosat_cls.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'eurosat_cls' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
