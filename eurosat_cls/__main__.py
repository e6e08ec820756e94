"""``python -m eurosat_cls`` and the console script ``eurosat-cls``."""

import os

from eurosat_cls.utils.children import pass_over_matplotlibrc


def run() -> None:
    """Run the command line; mistakes end in an exit code other than 0."""
    os.environ["PYTHONSAFEPATH"] = "1"  # data workers import nothing of the current folder either
    pass_over_matplotlibrc()
    from eurosat_cls.cli import main

    main()


if __name__ == "__main__":
    run()
