"""``python -m eurosat_cls`` and the console script ``eurosat-cls``."""

import os


def run() -> None:
    """Run the command line; mistakes end in an exit code other than 0."""
    os.environ["PYTHONSAFEPATH"] = "1"  # data workers import nothing of the current folder either
    from eurosat_cls.cli import main

    main()


if __name__ == "__main__":
    run()
