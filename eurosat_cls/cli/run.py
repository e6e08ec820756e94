"""Run a command line, and end it as a person expects: with one line about a mistake, and the usual exit codes."""

import sys
from collections.abc import Sequence

from eurosat_cls.cli.application import EuroSATCLI
from eurosat_cls.cli.commands import CONFIGURED, split_trust
from eurosat_cls.cli.log_filter import quieten
from eurosat_cls.cli.other_commands import COMMANDS
from eurosat_cls.cli.run_argument import expand
from eurosat_cls.config.parser import closed_parser
from eurosat_cls.config.shipped import expand_names
from eurosat_cls.config.trust import config_folders, trusting
from eurosat_cls.utils.cores import Load
from eurosat_cls.utils.distributed import end_with_parent, is_lost_process, rank_zero_print
from eurosat_cls.utils.errors import find_user_error
from eurosat_cls.utils.files import full_disk
from eurosat_cls.utils.machine import keep_freed_memory
from eurosat_cls.utils.network import offline
from eurosat_cls.utils.signals import Stopped, stopping
from eurosat_cls.utils.text import printable
from eurosat_cls.utils.threads import share_cores

LOST = "another process of this training has ended; see what it said. Continue with --ckpt_path last."


def run(arguments: list[str], cli: type[EuroSATCLI] = EuroSATCLI, before: Load | None = None) -> None:
    """Run a command; return when it has done what was asked.

    Args:
        arguments: those after the program's name.
        cli: what builds and runs it.
        before: what the machine's cores had done when the process began.

    Raises:
        SystemExit: as :func:`eurosat_cls.cli.main`.
    """
    try:
        perform(*split_trust(arguments), cli, before)
    except Stopped as stopped:
        print(f"eurosat_cls: stopped by {stopped}", file=sys.stderr)
        raise SystemExit(stopped.exit_code) from None
    except Exception as error:
        if is_lost_process(error):
            print(f"eurosat_cls: error: {LOST}", file=sys.stderr)
            raise SystemExit(1) from error
        if (mistake := find_user_error(error) or _of_disk(error)) is None:
            raise
        print(printable(f"eurosat_cls: error: {mistake}"), file=sys.stderr)
        raise SystemExit(2) from error


def perform(
    arguments: list[str], packages: Sequence[str], cli: type[EuroSATCLI], before: Load | None = None
) -> EuroSATCLI | None:
    """Run a command behind the walls; return what built and ran it, for a command that takes a configuration.

    Args:
        arguments: those after the program's name.
        packages: that are trusted.
        cli: what builds and runs it.
        before: as in :func:`run`.

    Raises:
        UserError: for whatever a person can mend.
        Stopped: when a signal asks for the end.
    """
    quieten()
    keep_freed_memory()
    end_with_parent()
    if arguments[:1] != ["search"] and not {"-h", "--help"} & set(arguments):
        share_cores(before)
    if arguments and arguments[0] in (*CONFIGURED, "search", "upgrade", "audit"):
        arguments = expand_names(arguments, rank_zero_print)
    given = expand(arguments)
    with stopping(), offline(), trusting(packages, config_folders(given)) as trusted, closed_parser(trusted):
        if given and given[0] in COMMANDS:
            COMMANDS[given[0]](given[1:])
            return None
        of_all = any(argument.startswith("--print_completion") for argument in given)
        return cli(given, CONFIGURED if of_all else given[:1])


def _of_disk(raised: BaseException) -> str | None:
    """What to say where an error comes of a full disk: any file that a run writes may meet it."""
    if (error := full_disk(raised)) is None:
        return None
    return f"{error.filename or 'a file'}: {error.strerror}. Free some space; a training goes on with --ckpt_path last."
