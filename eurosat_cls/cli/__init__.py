"""The command line: from arguments to a training, and help without waiting for imports."""

from eurosat_cls.cli.entrypoint import main

__all__ = ["main"]
