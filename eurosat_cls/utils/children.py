"""Wall: what a Python process of this package imports or is set up by: nothing of the current folder."""

import os
import sys
from importlib import import_module
from pathlib import Path

_HOME = str(Path(__file__).parents[2])


def pass_over_matplotlibrc() -> None:
    """Import matplotlib elsewhere, where the current folder has a file for it: it reads any, and may evaluate it."""
    if os.path.lexists("matplotlibrc"):
        here = os.getcwd()
        os.chdir(_HOME)
        try:
            import_module("matplotlib")
        finally:
            os.chdir(here)


def python_environment() -> dict[str, str]:
    """Return the environment of a process that this one starts: with its places of modules, and no others.

    Before Python 3.11 ``python -m eurosat_cls...`` leaves the current folder out by itself, ``python -c`` does not.
    """
    places = dict.fromkeys([*filter(None, sys.path), _HOME])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONSAFEPATH": "1"}
