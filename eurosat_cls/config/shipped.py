"""The configurations that travel with this package, by name: ``tiny_resnet18``, ``spaces/tiny_resnet18``.

A name is looked up in the list of them and never made into a path; what lies in the current folder comes first.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import writing
from eurosat_cls.utils.names import did_you_mean, nearest

_PACKAGE = Path(__file__).parents[1]
# In a wheel they lie in the package; in a clone, and so in an editable install, beside it.
FOLDER = next(filter(Path.is_dir, (_PACKAGE / "configs", _PACKAGE.parent / "configs")), _PACKAGE / "configs")
SPACES = "spaces/"  # what searches vary
_SUFFIXES = (".yaml", ".yml")
_OPTIONS = {"-c": "", "--config": "", "--overlay": "", "--overlays": "", "--space": SPACES}  # with what names begin


def shipped() -> dict[str, Path]:
    """Return the files by name, configurations before spaces."""
    files = [*sorted(FOLDER.glob("*.yaml")), *sorted(FOLDER.glob(f"{SPACES}*.yaml"))]
    return {file.relative_to(FOLDER).with_suffix("").as_posix(): file for file in files}


def first_line(file: Path) -> str:
    """Return what the first comment of a configuration says it is."""
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").rstrip(":")


def find(name: str, prefix: str = "") -> Path | None:
    """Return the file that a name means where no file has it: one here with a suffix, else a shipped one.

    Args:
        name: with or without ``.yaml``, and with or without ``configs/`` before it.
        prefix: what may be left out at its beginning.
    """
    if os.path.lexists(name) and not os.path.isdir(name):
        return None
    if Path(name).suffix not in _SUFFIXES:
        for suffix in _SUFFIXES:
            if os.path.lexists(name + suffix):
                return Path(name + suffix)
    files, bare = shipped(), _bare(name)
    return files.get(prefix + bare.removeprefix(prefix)) or files.get(bare)


def expand_names(arguments: Sequence[str], message: Callable[[str], None]) -> list[str]:
    """Return arguments in which configurations that are named are the paths of their files.

    Args:
        arguments: of a command.
        message: gets a line for each name.

    Raises:
        UserError: for a misspelt name.
    """
    result: list[str] = []
    option = ""  # whose value follows
    for argument in arguments:
        if argument.startswith("-"):
            option, equals, value = argument.partition("=")
            result.append(f"{option}={_path(value, option, message)}" if equals and option in _OPTIONS else argument)
        else:
            result.append(_path(argument, option, message) if option in _OPTIONS else argument)
            option = option if option == "--overlays" else ""
    return result


def copy(name: str, folder: Path) -> Path:
    """Write a shipped file into a folder, never over another one; return where it is.

    Raises:
        UserError: for an unknown name, a folder that is not there or cannot be written, and a file that is there.
    """
    files, bare = shipped(), _bare(name)
    if bare not in files:
        raise UserError(f"there is no configuration {name!r}.{_near(name)} `configs` lists those that there are.")
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder.")
    target = folder / f"{bare}.yaml"
    with writing(target):
        target.parent.mkdir(exist_ok=True)
        try:
            stream = open(target, "xb")  # noqa: SIM115 - a link to nowhere is there, too
        except FileExistsError:
            raise UserError(f"{target}: is there already, and stays as it is.") from None
        try:
            with stream:
                stream.write(files[bare].read_bytes())
        except OSError:
            target.unlink(missing_ok=True)
            raise
    return target


def _path(name: str, option: str, message: Callable[[str], None]) -> str:
    """The path that the value of an option stands for."""
    if name.lstrip().startswith("{") or not {"\n", "\0"}.isdisjoint(name) or "://" in name:
        return name
    found = find(name, _OPTIONS[option])
    if found is not None:
        message(f"{option} {name}: {'the shipped ' if FOLDER in found.parents else ''}{found}")
        return str(found)
    if not os.path.lexists(name) and (near := _near(name, _OPTIONS[option])):
        raise UserError(f"{option} {name}: No such file or directory.{near}")
    return name


def _near(name: str, prefix: str = "") -> str:
    """The question whether a shipped name was meant."""
    names, bare = [known.removeprefix(prefix) for known in shipped() if known.startswith(prefix)], _bare(name)
    return did_you_mean(nearest(bare, names) or nearest(Path(bare).name, names))


def _bare(name: str) -> str:
    suffix = Path(name).suffix
    return (name.removesuffix(suffix) if suffix in _SUFFIXES else name).removeprefix("configs/")
