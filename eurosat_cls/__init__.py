"""Train, test and trust land-cover classifiers for Sentinel-2 patches from one YAML file."""

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
