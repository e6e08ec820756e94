"""The front door of the command line: help and slips are answered at once, everything else is imported when it runs."""

import sys

from eurosat_cls.cli.help import answer
from eurosat_cls.cli.other_commands import configs
from eurosat_cls.utils.children import load_elsewhere
from eurosat_cls.utils.cores import limit_threads, load
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.terminal import escaped_output


def main(args: list[str] | None = None) -> None:
    """Run a command; return when it has done what was asked.

    Args:
        args: the arguments after the program's name; those of the process when None.

    Raises:
        SystemExit: with code 2 for a mistake in command, config or files, which is told in a line or two on stderr;
            with 143 when stopped by SIGTERM, 130 when by SIGINT (Ctrl-C); with 0 after ``--help`` and its like.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    with escaped_output():
        try:
            text = answer(arguments, _run)
            if text is None and arguments[0] == "configs":  # lists and copies files, which needs none of the imports
                return configs(arguments[1:])
        except UserError as error:
            print(f"eurosat_cls: error: {error}", file=sys.stderr)
            raise SystemExit(2) from error
        if text is not None:
            print(text, end="")
            raise SystemExit(0)
        _run(arguments)


def _run(arguments: list[str]) -> None:
    if arguments[:1] == ["search"]:
        print("search: loading its libraries and reading the configuration", file=sys.stderr, flush=True)
    limit_threads()
    before = load()
    load_elsewhere()
    from eurosat_cls.cli.run import run  # torch and Lightning take seconds to import

    run(arguments, before=before)
