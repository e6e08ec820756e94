"""A run in place of ``--config`` and ``--ckpt_path``: ``test lightning_logs/version_0``, and images after it."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from eurosat_cls.checkpoints.files import checkpoint_in, read_checkpoint, saved_configuration
from eurosat_cls.checkpoints.runs import run_folder_of
from eurosat_cls.config.arguments import PAIRS
from eurosat_cls.utils.errors import UserError

_WITH_CHECKPOINT = ("fit", "validate", "test", "predict")
_WITH_RUN = (*_WITH_CHECKPOINT, "statistics", "show", "summary")
_ALONE = ("-h", "--help", "--print_config")  # options that take no value


def expand(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which a run, and the images after it, are options.

    Args:
        arguments: a command, and what follows it.

    Raises:
        UserError: for a run that is not there, and for more than a command takes.
    """
    command = arguments[0] if arguments else ""
    if command not in _WITH_RUN:
        return list(arguments)
    plain, options = _divided(arguments[1:])
    run = _options_of(command, plain[0]) if plain else []
    images = [value for option, value in options if (command, option) == ("predict", "--images") and value is not None]
    images += plain[1:]
    if plain[1:] and command != "predict":
        raise UserError(f"{command}: {plain[1]!r} is one too many: one run, then settings as --key value.")
    for option, value in options:
        if (command, option) != ("predict", "--images") or value is None:
            run += [option] if value is None else [option, value]
    for number, image in enumerate(images):
        run += ["--images=[]"] if not number else []
        run += [f"--images+={_as_it_is(image)}"]
    return [command, *run]


def _divided(arguments: Sequence[str]) -> tuple[list[str], list[tuple[str, str | None]]]:
    """Divide what follows a command into plain arguments and options with their values."""
    plain: list[str] = []
    options: list[tuple[str, str | None]] = []
    rest = list(arguments)
    while rest:
        option, equals, value = rest.pop(0).partition("=")
        if not re.match(r"--?[A-Za-z]", option):
            plain.append(option + equals + value)
        elif equals:
            options.append((option, value) if option == "--images" else (option + equals + value, None))
        elif option in _ALONE or not rest or re.match(r"--?[A-Za-z]", rest[0]):
            options.append((option, None))
        else:
            options.append((option, rest.pop(0)))
            if option in PAIRS and rest and not (options[-1][1] or "").startswith("["):
                options.append((rest.pop(0), None))
    return plain, options


def _options_of(command: str, name: str) -> list[str]:
    """The options that a run folder or a checkpoint stands for."""
    path = Path(name).expanduser()
    if not path.exists():
        raise UserError(f"{command} {name}: there is no such run folder or checkpoint.")
    if path.suffix in (".yaml", ".yml", ".json"):
        raise UserError(f"{command} {name}: a configuration is given as --config {name}.")
    if command not in _WITH_CHECKPOINT and (path / "config.yaml").is_file():
        return [f"--config={path / 'config.yaml'}"]
    last = path / "checkpoints" / "last.ckpt"
    checkpoint = last if command == "fit" and last.is_file() else checkpoint_in(path)
    folder = path if (path / "config.yaml").is_file() else run_folder_of(checkpoint)
    if folder is not None:
        config = str(folder / "config.yaml")
    elif kept := saved_configuration(read_checkpoint(checkpoint)):
        config = yaml.safe_dump(dict(kept), sort_keys=False)
    else:
        raise UserError(f"{checkpoint} holds no configuration: give one with --config, and it as --ckpt_path.")
    return [f"--config={config}", *([f"--ckpt_path={checkpoint}"] if command in _WITH_CHECKPOINT else [])]


def _as_it_is(name: str) -> str:
    """The name of a file so that a configuration takes it for nothing else."""
    return ("./" if name.startswith(("[", "{")) else "") + name.replace("${", "$${")
