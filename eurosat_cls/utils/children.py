"""Wall: what a Python process that this one starts imports: what this one does, and nothing of the current folder."""

import os
import sys
from pathlib import Path

_HOME = str(Path(__file__).parents[2])


def python_environment() -> dict[str, str]:
    """Return the environment of such a process: with this one's places of modules, and no others.

    Before Python 3.11 ``python -m eurosat_cls...`` leaves the current folder out by itself, ``python -c`` does not.
    """
    places = dict.fromkeys([*filter(None, sys.path), _HOME])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONSAFEPATH": "1"}
