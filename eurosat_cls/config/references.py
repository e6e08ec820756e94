"""Resolve ``${...}``: references to other keys of a configuration, and to environment variables."""

import functools
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from eurosat_cls.config.limits import MOST_BYTES, MOST_REFERENCES, MOST_VALUES, TooLarge
from eurosat_cls.config.tree import Node, Path, dotted, leaves
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import nearest

FREE = "hyperparameters"  # the section that holds nothing but values to refer to
_REFERENCE = re.compile(r"\$(\$?)\{([^{}]*)\}")


def resolve(root: Node, environ: Mapping[str, str] | None = None) -> tuple[Node, list[str]]:
    """Replace every reference by what it refers to.

    ``${data.init_args.batch_size}`` is the value of that key, whatever its type, if it is all there is; inside a longer
    string it becomes text. ``${env:NAME}`` is the text of an environment variable, ``${env:NAME,default}`` has a text
    for when there is none. ``$${`` is a plain ``${``.

    Args:
        root: a whole configuration.
        environ: environment variables; those of the process when None.

    Returns:
        The configuration without references and without its section ``hyperparameters``, and a warning for each value
        of that section that nothing refers to.

    Raises:
        UserError: for a reference to nothing, or one that leads back to itself, with its file and line.

    Example:
        >>> from eurosat_cls.config.files import read_text
        >>> from eurosat_cls.config.tree import plain
        >>> text = "{hyperparameters: {lr: 0.1}, optimizer: {lr: '${hyperparameters.lr}'}, name: 'lr-${optimizer.lr}'}"
        >>> plain(resolve(read_text(text, "a.yaml"))[0])
        {'optimizer': {'lr': 0.1}, 'name': 'lr-0.1'}
    """
    resolver = _Resolver(root, os.environ if environ is None else environ)
    resolved = resolver.resolve(root)
    unused = [
        f"{node.origin}: {dotted((FREE, *path))} has no effect: nothing refers to it by ${{{dotted((FREE, *path))}}}."
        for path, node in _unused(root.value[FREE], resolver.used)
    ] if FREE in root.value else []  # fmt: skip
    return Node({key: child for key, child in resolved.value.items() if key != FREE}, root.origin), unused


def variables(text: str) -> list[str]:
    """Return the names of the environment variables that a text refers to."""
    names = (match[2].strip() for match in _REFERENCE.finditer(text) if not match[1])
    return [name.removeprefix("env:").partition(",")[0].strip() for name in names if name.startswith("env:")]


def _unused(node: Node, used: set[int], path: Path = ()) -> Iterator[tuple[Path, Node]]:
    if id(node) in used or node.aliased:
        return
    if node.mapping:
        for key, child in node.mapping.items():
            yield from _unused(child, used, (*path, key))
    else:
        yield path, node


class _Resolver:
    def __init__(self, root: Node, environ: Mapping[str, str]) -> None:
        self.root, self.environ = root, environ
        self.used: set[int] = set()
        self.done: dict[int, Node] = {}
        self.sizes: dict[int, int] = {}
        self.open: list[Node] = []
        self.length = 0  # of all texts that were made

    def resolve(self, node: Node) -> Node:
        """The node without references; each is made once, so that what is repeated is shared."""
        if id(node) in self.done:
            return self.done[id(node)]
        if any(node is other for other in self.open):
            chain = [other.origin for other in self.open if isinstance(other.value, str)]
            raise UserError(f"{chain[0]}: references lead in a circle: {', '.join(chain)}.")
        if len(self.open) >= MOST_REFERENCES:
            raise TooLarge(f"{node.origin}: more than {MOST_REFERENCES} references lead to each other.")
        self.open.append(node)
        value = node.value
        if isinstance(value, dict):
            done = Node({key: self.resolve(child) for key, child in value.items()}, node.origin)
        elif isinstance(value, list):
            done = Node([self.resolve(child) for child in value], node.origin)
        elif isinstance(value, str) and "${" in value:
            done = self.text(node)
        else:
            done = node
        self.open.pop()
        self.check_size(done)
        self.done[id(node)] = done
        return done

    def check_size(self, node: Node) -> None:
        children = node.value.values() if isinstance(node.value, dict) else node.value
        inside = children if isinstance(node.value, (dict, list)) else ()
        self.sizes[id(node)] = size = 1 + sum(self.sizes[id(child)] for child in inside)
        if size > MOST_VALUES:
            raise TooLarge(f"{node.origin}: grows to more than {MOST_VALUES:,} values by its references.")

    def text(self, node: Node) -> Node:
        """Resolve a string with references in it."""
        text: str = node.value
        if "${" in _REFERENCE.sub("", text):
            raise UserError(f"{node.origin}: {text!r} opens a reference with '${{' and does not close it.")
        whole = _REFERENCE.fullmatch(text)
        if whole is not None and not whole[1]:
            found = self.find(whole[2].strip(), node)
            return Node(found.value, f"{node.origin}, {text} of {found.origin}", kept=found.kept)

        secret = False

        def replace(match: re.Match[str], keep: bool) -> str:
            nonlocal secret
            if match[1]:
                return match[0] if keep else f"${{{match[2]}}}"
            found = self.find(match[2].strip(), node)
            if isinstance(found.value, (dict, list)):
                kind = "a mapping" if isinstance(found.value, dict) else "a list"
                raise UserError(f"{node.origin}: {match[0]} is {kind}, which cannot be part of a text.")
            secret = secret or found.kept is not None
            written = found.kept if keep and found.kept is not None else _as_text(found.value)
            self.length += len(written)
            if self.length > MOST_BYTES:
                raise TooLarge(f"{node.origin}: grows to more than {MOST_BYTES // 2**20} MB by its references.")
            return written

        value, kept = (_REFERENCE.sub(functools.partial(replace, keep=keep), text) for keep in (False, True))
        return Node(value, node.origin, kept=kept if secret else None)

    def find(self, name: str, at: Node) -> Node:
        """What a reference without its braces means."""
        if name.startswith("env:"):
            variable, comma, default = name.removeprefix("env:").partition(",")
            kept = f"${{{name}}}"
            if variable.strip() in self.environ:
                return Node(self.environ[variable.strip()], f"environment variable {variable.strip()}", kept=kept)
            if comma:
                return Node(default.strip(), "its default", kept=kept)
            raise UserError(
                f"{at.origin}: the environment variable {variable!r} is not set. Set it, or write "
                f"${{env:{variable},some default}}."
            )
        node = self.root
        for part in name.split("."):
            value = node.value
            if isinstance(value, str) and "${" in value:
                node = self.resolve(node)
                value = node.value
            if isinstance(value, dict) and part in value:
                node = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                node = value[int(part)]
            else:
                raise self.unknown(name, at)
        self.used.add(id(node))
        return self.resolve(node)

    def unknown(self, name: str, at: Node) -> UserError:
        names = [".".join(map(str, path)) for path, _ in leaves(self.root)]
        close = nearest(name, names, 2) or [k for k in names if k.endswith(f".{name}")][:2]
        hint = f" Did you mean {' or '.join(f'${{{k}}}' for k in close)}?" if close else ""
        return UserError(f"{at.origin}: ${{{name}}} refers to a key that no file or option sets.{hint}")


def _as_text(value: Any) -> str:
    """A scalar as YAML writes it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
