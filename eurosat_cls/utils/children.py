"""Wall: what a Python process of this package imports or is set up by: nothing of the current folder."""

import os
import sys
from importlib import import_module
from pathlib import Path

_HOME = str(Path(__file__).parents[2])


def load_elsewhere() -> None:
    """Import torch and matplotlib outside of the current folder, where both look for files of theirs.

    matplotlib reads any ``matplotlibrc``, and evaluates parts of it in versions before 3.11; a CUDA library of torch's
    has the system look there for others, such as ``libcuda.so.1``, whose code is run.
    """
    here = os.getcwd()
    os.chdir(os.path.dirname(os.__file__))
    try:
        for name in ("torch", "matplotlib"):
            import_module(name)
    finally:
        os.chdir(here)


def python_environment() -> dict[str, str]:
    """Return the environment of a process that this one starts: with its places of modules, and no others.

    Before Python 3.11 ``python -m eurosat_cls...`` leaves the current folder out by itself, ``python -c`` does not.
    """
    places = dict.fromkeys([*filter(None, sys.path), _HOME])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONSAFEPATH": "1"}
