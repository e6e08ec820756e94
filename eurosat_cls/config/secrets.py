"""Wall: secrets of the environment stay out of what is saved, and out of what a config file makes of them.

``${env:NAME}`` is written as that reference into every configuration that is kept. In a file, a variable of any name is
taken for a number, for one of the Trainer's own settings such as ``precision``, and for classes that the user trusts;
for any other text, such as a path or a name, only those of :data:`PUBLIC` are. The settings of the model go into
checkpoints as they are, so there no option takes other text of the environment either.
"""

from collections.abc import Collection
from typing import Any

from eurosat_cls.config.references import variables
from eurosat_cls.config.tree import Node, located, texts
from eurosat_cls.utils.errors import UserError

PUBLIC = "EUROSAT_"  # the first letters of variables that hold places of this project


def check_environment(tree: Node, trusted: Collection[str]) -> None:
    """Refuse values of the environment where they would be kept or lead somewhere.

    Args:
        tree: a whole configuration, resolved.
        trusted: keys of classes that the user trusts.

    Raises:
        UserError: with the place and the way out.
    """
    for path, node, text in texts(tree, trusted):
        if node.kept is None or _is_public(node.kept):
            continue
        plain_setting = len(path) == 2 and path[0] == "trainer" and path[1] != "default_root_dir"
        number = _is_number(text) and path[-1] not in ("name", "version", "sub_dir")
        option = node.origin.startswith("--") and path[0] != "model"
        if not (plain_setting or number or option):
            raise UserError(
                f"{located(tree, path)}: {node.kept} would be kept or lead somewhere, which "
                f"is for variables {PUBLIC}... only. Give it on the command line."
            )


def keep_references(config: Any, tree: Node, secrets: bool = False) -> Any:
    """Return a configuration with references in the place of values of the environment, as a file has them.

    Args:
        config: plain data.
        tree: the settings that it was made of.
        secrets: leave numbers and the places of this project as they are.
    """
    return _kept(_escaped(config), tree, secrets)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in ("", "true", "false", "null")
    return True


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def _kept(value: Any, node: Node, secrets: bool) -> Any:
    if node.kept is not None:
        return value if secrets and (_is_number(str(node.value)) or _is_public(node.kept)) else node.kept
    if isinstance(value, list) and isinstance(node.value, list):
        first = max(len(value) - len(node.value), 0)  # what `key+` adds stands behind the rest
        added = zip(value[first:], node.value, strict=False)
        return [*value[:first], *(_kept(item, child, secrets) for item, child in added)]
    if not isinstance(value, dict) or node.mapping is None:
        return value
    if "class_path" in value and not node.is_class:  # arguments of the class, without saying so
        return {**value, "init_args": _kept(value.get("init_args"), node, secrets)}
    named = {str(key).removesuffix("+"): child for key, child in node.mapping.items()}
    return {**value, **{key: _kept(value[key], child, secrets) for key, child in named.items() if key in value}}


def _is_public(reference: str) -> bool:
    return all(name.startswith(PUBLIC) for name in variables(reference))
