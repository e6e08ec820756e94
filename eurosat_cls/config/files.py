"""Read YAML files into nodes: every value with its line, no key twice, nothing that grows without bound."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from eurosat_cls.config.limits import DEEPEST, LONGEST_NUMBER, MOST_VALUES, TooLarge
from eurosat_cls.config.tree import Node
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.limits import SETTINGS, read_bytes
from eurosat_cls.utils.network import check_local

_MERGE = "tag:yaml.org,2002:merge"
# Settings that name classes or columns: 2019, 01 and no are names there, as all keys are.
_NAMES = ("class_names", "positive", "label_columns", "label_column", "file_column", "split_column", "separator")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML without dates, and with numbers such as 1e-3."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in found if not tag.endswith((":timestamp", ":float"))]
    for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\d[\d_]*(?:\.[\d_]*)?[eE][-+]?\d+|\d[\d_]*\.[\d_]*|\.\d[\d_]*(?:[eE][-+]?\d+)?"
               r"|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"),
    list("-+0123456789."),
)  # fmt: skip


def read(path: str) -> Node:
    """Read a configuration file.

    Args:
        path: as it shall be called in messages.

    Returns:
        Its mapping, whose values have the origin ``path:line``.

    Raises:
        UserError: for a file that cannot be read, is not YAML, holds no mapping, or names a key twice.
    """
    check_local(path, "config")
    file = Path(path)
    if file.is_dir():
        hint = f" Did you mean {file / 'config.yaml'}?" if (file / "config.yaml").is_file() else ""
        raise UserError(f"--config {path}: this is a folder, not a file.{hint}")
    try:
        text = read_bytes(file, SETTINGS).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8, so not a configuration.") from error
    return read_text(text, f"./{path}" if path.startswith(("--", "text of")) else path)  # these are the user's own


def read_text(text: str, name: str) -> Node:
    r"""Read a mapping from YAML text; ``name`` and a line become the origin of its values.

    Example:
        >>> node = read_text("trainer:\n  max_epochs: 3", "a.yaml")
        >>> node.value["trainer"].value["max_epochs"].origin
        'a.yaml:2'
    """
    node = _Builder(name, True).read(text)
    if node is None or node.value in (None, {}):
        raise UserError(f"{name}: empty, there are no settings in it.")
    if not isinstance(node.value, dict):
        kind = "a list" if isinstance(node.value, list) else f"the value {str(node.value)[:40]!r}"
        raise UserError(f"{node.origin}: expected settings as `key: value`, found {kind}.")
    return node


def read_value(text: str, origin: str, lines: bool = False, key: str = "") -> Node:
    """Read any YAML value, such as that of the option ``key``; all of it has one ``origin``, or that with its line."""
    return _Builder(origin, lines).read(text, key in _NAMES) or Node(None, origin)


def check_text(text: str, origin: str) -> None:
    """Refuse text that grows without bound where a parser reads it as YAML once more.

    Raises:
        TooLarge: for what is within the limits of no file.
    """
    if not {"[", "{", "&", "-", "?"}.isdisjoint(text):
        try:
            read_value(text, origin)
        except TooLarge:
            raise
        except UserError:  # no YAML, so text
            pass


class _Builder:
    """Build nodes from what PyYAML composes."""

    def __init__(self, name: str, lines: bool) -> None:
        self.name, self.lines = name, lines
        self.values = 0
        self.open: set[int] = set()
        self.seen: dict[int, Node] = {}
        self.scalars = yaml.constructor.SafeConstructor()

    def read(self, text: str, names: bool = False) -> Node | None:
        """Parse and build.

        Raises:
            UserError: for what is not YAML, named with its line.
        """
        try:
            self.check_depth(text, _Loader)
            composed = yaml.compose(text, Loader=_Loader)
            return None if composed is None else self.build(composed, self.origin(composed), names)
        except yaml.reader.ReaderError as error:
            raise UserError(f"{self.name}: holds characters that no text file has, so not a configuration.") from error
        except yaml.MarkedYAMLError as error:
            with suppress(yaml.YAMLError):  # newer parsers in C refuse depth themselves, before our count reaches it
                self.check_depth(text, yaml.SafeLoader)
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark is not None and self.lines else ""
            lines = text.splitlines()
            tabs = mark is not None and mark.line < len(lines) and "\t" in lines[mark.line]
            hint = " YAML takes no tabs: indent with spaces." if tabs else ""
            said = " ".join(filter(None, (error.context, error.problem)))
            raise UserError(f"{self.name}{line}: not valid YAML: {said}.{hint}") from error

    def check_depth(self, text: str, loader: Any) -> None:
        """Refuse what would exhaust the stack, which PyYAML's composer in C need not notice."""
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            starts = isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
            depth += starts - isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent))
            if depth > DEEPEST:
                raise TooLarge(f"{self.origin(event)}: nested more than {DEEPEST} deep.")

    def origin(self, node: Any) -> str:
        return f"{self.name}:{node.start_mark.line + 1}" if self.lines else self.name

    def build(self, node: Any, origin: str, names: bool = False) -> Node:
        """Turn one composed node, and what it holds, into ours; ``names`` stay text as it is written."""
        if (first := self.seen.get(id(node))) is not None:
            first.aliased = True
        if id(node) in self.open:
            raise TooLarge(f"{origin}: an anchor that holds itself.")
        self.values += 1
        if self.values > MOST_VALUES:
            raise TooLarge(f"{self.name}: grows to more than {MOST_VALUES:,} values by its aliases.")
        if not isinstance(node, yaml.ScalarNode) and node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise UserError(f"{origin}: the tag {node.tag!r} has no meaning in a configuration.")
        self.open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            built = Node(self.mapping(node), origin)
        elif isinstance(node, yaml.SequenceNode):
            built = Node([self.build(item, self.origin(item), names) for item in node.value], origin)
        else:
            value = self.scalar(node)
            built = Node(node.value if names and value is not None else value, origin)
        self.open.discard(id(node))
        self.seen.setdefault(id(node), built)
        return built

    def scalar(self, node: Any) -> Any:
        try:
            value = self.scalars.construct_object(node)
        except (ValueError, LookupError) as error:
            raise UserError(f"{self.origin(node)}: {node.value[:40]!r} is not what its tag says.") from error
        if isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
            raise TooLarge(f"{self.origin(node)}: {node.value[:40]!r} is too long for a number.")
        return value

    def mapping(self, node: Any) -> dict[Any, Node]:
        """The keys of a mapping; those that a merge key (``<<``) brings give way to its own."""
        merged: dict[Any, Node] = {}
        own: dict[Any, Node] = {}
        lines: dict[Any, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = {**self.merge_key(value_node, self.origin(key_node)), **merged}
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise UserError(f"{self.origin(key_node)}: a key must be text, not a list or a mapping.")
            key, line = key_node.value, key_node.start_mark.line + 1
            if key in own:
                where = f"{self.name}:{line}" if self.lines else self.name
                other = f", in line {lines[key]} and again in line {line}" if self.lines else ""
                raise UserError(f"{where}: the key {str(key)!r} is there twice{other}. Keep one.")
            lines[key] = line
            own[key] = self.build(value_node, self.origin(key_node), key in _NAMES)
        return {**{key: value for key, value in merged.items() if key not in own}, **own}

    def merge_key(self, node: Any, origin: str) -> dict[Any, Node]:
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[Any, Node] = {}
        for item in reversed(items):
            built = self.build(item, origin)
            if not isinstance(built.value, dict):
                raise UserError(f"{origin}: `<<` takes a mapping, or a list of mappings.")
            merged.update(built.value)
        return merged
