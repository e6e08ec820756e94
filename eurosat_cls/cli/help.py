"""Help without the seconds that torch and Lightning take to import."""

import hashlib
import io
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from eurosat_cls import __version__
from eurosat_cls.cli.commands import CONFIGURED, OTHERS, split_trust
from eurosat_cls.cli.first_options import COMMANDS_MEANT, first_options
from eurosat_cls.utils.cache import cache_folder
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_text
from eurosat_cls.utils.names import did_you_mean, nearest

OVERVIEW = """\
usage: python -m eurosat_cls COMMAND [RUN] [--config FILE ...] [--KEY VALUE ...]

Train, test and apply classifiers of satellite patches.

commands that take a configuration:
{configured}

other commands:
{others}

options of every command:
  -h, --help           the first options of a command, e.g. fit --help; --help-all shows all of them
  --config FILE        a YAML file, or one that `configs` lists; of several, the later ones count for more
  --KEY VALUE          any setting, e.g. --trainer.max_epochs 3
  --model.help CLASS   the settings of a class; likewise --data.help CLASS, --model.init_args.encoder.help CLASS
  --print_config       the whole configuration with the origin of every value
  --trust PACKAGE      let configs and checkpoints name classes of a further package
  --version            the version
"""
_FROM = ("torch", "torchvision", "lightning", "jsonargparse", "torchmetrics")  # what help is made from, besides us


def answer(arguments: Sequence[str], run: Callable[[list[str]], None]) -> str | None:
    """Return the text that a command line asks for, or None when there is something to run.

    Args:
        arguments: those after the program's name.
        run: runs a command; what it prints of itself is kept for the next time.

    Raises:
        UserError: for a command line without a command, or with one that does not exist.
    """
    given, _ = split_trust(arguments)
    first, rest = (given[0], given[1:]) if given else ("", [])
    if first in ("-h", "--help"):
        return OVERVIEW.format(configured=_listed(CONFIGURED), others=_listed(OTHERS))
    if first == "--version":
        return f"eurosat_cls {__version__}\n"
    _check_command(first)
    if first in OTHERS:
        return _help_of_others(first) if rest in (["-h"], ["--help"]) else None
    if {"-h", "--help"} & set(rest):
        return first_options(first)
    return _help_of(first, run) if "--help-all" in rest else None


def _listed(commands: dict[str, str]) -> str:
    return "\n".join(f"  {name:20} {text}" for name, text in commands.items())


def _check_command(name: str) -> None:
    known = (*CONFIGURED, *OTHERS)
    if name in known:
        return
    names = ", ".join(known)
    if not name:
        raise UserError(f"which command? There are {names}. For help: --help.")
    if name.startswith("-"):
        raise UserError(f"the command comes first: one of {names}; then {name}.")
    near = [COMMANDS_MEANT[name.lower()]] if name.lower() in COMMANDS_MEANT else nearest(name, known)
    raise UserError(f"there is no command {name!r}.{did_you_mean(near)} There are {names}.")


def _help_of(command: str, run: Callable[[list[str]], None]) -> str:
    """Return the help of a command that takes a configuration: all of Lightning's options and ours.

    What the parser says is kept in the cache folder until this package, one that help is made from, or the terminal's
    width changes.
    """
    kept = cache_folder() / "help" / f"{command}-{_key()}.txt"
    with suppress(OSError, UnicodeDecodeError):
        return kept.read_text(encoding="utf-8")
    text = _printed_by(run, [command, "--help"])
    with suppress(OSError):  # an unwritable cache only means asking the parser again
        for former in kept.parent.glob(f"{command}-*.txt"):
            former.unlink()
        write_text(kept, text)
    return text


def _help_of_others(command: str) -> str:
    from eurosat_cls.cli.other_commands import COMMANDS

    return _printed_by(COMMANDS[command], ["--help"])


def _printed_by(run: Callable[[list[str]], None], arguments: list[str]) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed), suppress(SystemExit):
        run(arguments)
    return printed.getvalue()


def _key() -> str:
    """What the help depends on, as a short hexadecimal name."""
    parts = [__version__, sys.version, str(shutil.get_terminal_size().columns), Path(sys.argv[0]).name]
    for package in _FROM:
        with suppress(PackageNotFoundError):
            parts.append(f"{package} {version(package)}")
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        status = file.stat()
        parts.append(f"{file} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
