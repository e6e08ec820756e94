"""``python -m eurosat_cls`` and the console script ``eurosat-cls``."""

import sys


def run() -> None:
    """Run the command line and exit with its code."""
    from eurosat_cls.cli import main

    sys.exit(main())


if __name__ == "__main__":
    run()
