"""Make one configuration of files and options."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from eurosat_cls.config.arguments import Arguments, sort
from eurosat_cls.config.merge import Dropped, merge
from eurosat_cls.config.references import resolve
from eurosat_cls.config.tree import Node, located, nearest


@dataclass
class Composition:
    """A configuration, how it came to be, and what else was asked for.

    Attributes:
        tree: the settings of one command, without references.
        asked: the arguments that it is made of.
        dropped: a line for every argument that a change of class dropped, and nobody gave anew.
        warnings: settings without effect.
    """

    tree: Node
    asked: Arguments
    dropped: list[str]
    warnings: list[str]

    def place(self, key: str) -> str:
        """A dotted key, with list positions as numbers, after where its value was written, as far as it was."""
        path = tuple(int(part) if part.isdigit() else part for part in key.split("."))
        return located(self.tree, path[: len(path) - len(nearest(self.tree, path)[1])])


def compose(args: Sequence[str], command: str, keys: Mapping[str, Collection[str]]) -> Composition:
    """Read, merge and resolve what the arguments of a command name: options win over files, later ones over earlier.

    Args:
        args: arguments after the command.
        command: its name.
        keys: the first keys of the settings that each command takes. One file serves all commands: what it says to
            others is left out here.

    Raises:
        UserError: for files and references that are wrong.
    """
    asked = sort(args)
    dropped: list[Dropped] = []
    tree = Node({}, "")
    for layer in asked.layers:
        tree = merge(tree, layer, dropped)
    tree, warnings = resolve(tree)
    others = {key for name, names in keys.items() if name != command for key in names} - set(keys[command])
    empty = {key for key in keys[command] if key in tree.value and tree.value[key].value is None}  # comments only
    kept = {k: v for k, v in tree.value.items() if v.origin.startswith("--") or k not in others | empty}
    lost = [item.text for item in dropped if nearest(tree, item.path)[1]]  # others were given anew
    return Composition(Node(kept, tree.origin), asked, lost, warnings)
