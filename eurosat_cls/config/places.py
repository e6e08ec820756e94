"""Wall: a config file writes below the run's root only, and names nothing on a network.

The root is ``trainer.default_root_dir``. From a file it lies below the current folder or ``EUROSAT_RUNS``, or is the
one whose runs the file itself is of. Every text of a file that can be a place, of whatever class, is confined to it,
links followed; only ``data``, the weights to start from and the checkpoint are read from elsewhere. Options of the
command line may name other places. No text of either is the address of something elsewhere, but for classes that the
user trusts, and names of classes in data.
"""

import os
import re
from collections.abc import Collection
from pathlib import Path

from eurosat_cls.config.tree import Node, dotted, located, nearest, texts
from eurosat_cls.config.tree import Path as Keys
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.network import ADDRESS

RUNS = "EUROSAT_RUNS"
LOGS = "lightning_logs"  # the folder of runs, below a root
_ROOT = ("trainer", "default_root_dir")
_READ = ("data", "ckpt_path", "images")  # sections, and the keys of the model's weights
_PLACE = re.compile(r"(\w*_)?(path|dir|dirpath|folder|output|file)")
_NUMBER = re.compile(r"\{[\w/.@-]+(:\d{0,3}(\.\d{1,2})?[a-z%]?)?\}")  # of a metric in the name of a checkpoint
_LABELS = {"class_names", "classes"}


def check_places(tree: Node, trusted: Collection[str]) -> None:
    """Refuse addresses, and places outside of the root in files.

    Args:
        tree: a whole configuration, resolved.
        trusted: keys of classes that the user trusts.

    Raises:
        UserError: with the place and the way out.
    """
    found, rest = nearest(tree, _ROOT)
    root = Path("." if rest or not isinstance(found.value, str) else found.value).expanduser()
    for path, node, text in texts(tree, trusted):
        where, shown = located(tree, path), node.kept or text[:80]
        if "\0" in text:
            raise UserError(f"{where}: a NUL character is part of no setting.")
        if ADDRESS.search(text) and _LABELS.isdisjoint(path):
            raise UserError(f"{where}: {shown}: it is read from local files only; download it first.")
        read = path[0] in _READ or path[-1] == "class_path" or (path[0] == "model" and "weights" in path)
        if read or node.origin.startswith(("--", "text of --config")):
            continue
        if re.search(r"\$[\w{]", text):  # TensorBoard's logger would write it out
            raise UserError(f"{where}: {shown}: a variable of the environment is written ${{env:NAME}}.")
        if path == _ROOT:
            if not _is_root(root, node.origin):
                raise UserError(
                    f"{where}: {shown} is outside of this folder and of {RUNS}: give it by --{dotted(path)}."
                )
        elif not (_is_below(text, root, str(path[-1])) and _is_in_its_folder(tree, path, text, root)):
            raise UserError(f"{where}: {shown} is outside of {root.resolve()}: give it on the command line.")


def _is_in_its_folder(tree: Node, path: Keys, text: str, root: Path) -> bool:
    """Whether the name of a file leads nowhere else than below the folder beside it, also with numbers filled in."""
    beside = nearest(tree, path[:-1])[0].value if path[-1] == "filename" else {}
    folder = beside["dirpath"].value if "dirpath" in beside else None
    base = Path(folder).expanduser() if isinstance(folder, str) else root
    rest = _NUMBER.sub("", text)  # other formats pad with slashes, or without end
    return path[-1] != "filename" or (not {"{", "}"} & set(rest) and _is_below(str(base / text), base, "file"))


def _is_root(root: Path, origin: str) -> bool:
    file = Path(re.sub(r":\d+$", "", origin.partition(",")[0]))
    places = [Path.cwd(), *(Path(value) for value in [os.environ.get(RUNS)] if value)]
    own = file.resolve().is_relative_to((root / LOGS).resolve())
    return own or any(root.resolve().is_relative_to(place.expanduser().resolve()) for place in places)


def _is_below(text: str, root: Path, key: str) -> bool:
    """Whether a text stays below the root, if it is a place at all."""
    place = Path(text).expanduser()
    steps = re.split(r"[/\\]", text)
    if not (_PLACE.fullmatch(key) or place.is_absolute() or ".." in steps or text.startswith("~")):
        return True
    try:
        return place.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links, a name that is too long
        return False
