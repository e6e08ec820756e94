"""A configuration as a tree of values that know where they came from."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]


@dataclass(eq=False)
class Node:
    """A value of a configuration.

    Attributes:
        value: a mapping to nodes, a list of nodes, or a scalar.
        origin: ``file:line``, or the option, that it came from.
        partial: whether a mapping names what to change in the one below it, as an option does, whatever that is.
        aliased: whether a YAML alias of the same file repeats it.
        kept: how a value from the environment is written in what is saved: as the reference that it was.
    """

    value: Any
    origin: str
    partial: bool = False
    aliased: bool = False
    kept: str | None = None

    @property
    def mapping(self) -> dict[Any, "Node"] | None:
        """The value if it is a mapping."""
        return self.value if isinstance(self.value, dict) else None

    @property
    def is_class(self) -> bool:
        """Whether it says which class to build, or how."""
        return isinstance(self.value, dict) and not {"class_path", "init_args"}.isdisjoint(self.value)


def plain(node: Node) -> Any:
    """The tree without origins.

    Example:
        >>> plain(Node({"widths": Node([Node(16, "a.yaml:2")], "a.yaml:1")}, "a.yaml:1"))
        {'widths': [16]}
    """
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def leaves(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Paths and nodes of all values that are no mappings or lists with something in them."""
    if isinstance(node.value, (dict, list)) and node.value:
        items = node.value.items() if isinstance(node.value, dict) else enumerate(node.value)
        for key, child in items:
            yield from leaves(child, (*path, key))
    else:
        yield path, node


def texts(node: Node, trusted: Collection[str]) -> Iterator[tuple[Path, Node, str]]:
    """Paths, nodes and values of all texts, but for the arguments of classes at these keys, numbers with dots too."""
    for path, leaf in leaves(node):
        key = ".".join(str(part).removesuffix("+") for part in path)
        if isinstance(leaf.value, str) and not any(key.startswith(f"{part}.") for part in trusted):
            yield path, leaf, leaf.value


def nearest(node: Node, path: Path) -> tuple[Node, Path]:
    """The node at ``path``, or the last one on the way there; with the rest of the path."""
    for depth, key in enumerate(path):
        value: Any = node.value
        keys: Any = range(len(value)) if isinstance(value, list) else value
        if not isinstance(value, (dict, list)) or key not in keys:
            return node, path[depth:]
        node = value[key]  # type: ignore[index]
    return node, ()


def dotted(path: Path) -> str:
    """A path as a person writes it.

    Example:
        >>> dotted(("data", "init_args", "augment", 1, "class_path"))
        'data.init_args.augment[1].class_path'
    """
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def located(node: Node, path: Path) -> str:
    """A path as a person writes it, after the file and line, or the option, that it came from.

    Example:
        >>> located(Node({"lr": Node(0.1, "a.yaml:2")}, "a.yaml:1"), ("lr",))
        'a.yaml:2: lr'
    """
    origin, key = nearest(node, path)[0].origin, dotted(path)
    return origin if origin == f"--{key}" else ": ".join(filter(None, (origin, key)))
