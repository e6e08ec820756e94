"""``python -m eurosat_cls`` and the console script ``eurosat-cls``."""


def run() -> None:
    """Run the command line; mistakes end in an exit code other than 0."""
    from eurosat_cls.cli import main

    main()


if __name__ == "__main__":
    run()
