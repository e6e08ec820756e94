"""Constructors that are passed around before they are called: what they build, and how to write them down.

A factory is a class, a ``functools.partial`` of one, or what jsonargparse makes of a ``class_path`` (a partial whose
positional arguments end in the class).
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eurosat_cls.utils.errors import UserError


def target_of(factory: Callable[..., Any]) -> Callable[..., Any]:
    """The class or function that ``factory`` will call in the end."""
    if isinstance(factory, functools.partial):
        classes = [a for a in factory.args if inspect.isclass(a)]
        return target_of(classes[-1] if classes else factory.func)
    return factory


def build(setting: str, factory: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call ``factory``, and say which setting is wrong when its class refuses the arguments.

    Raises:
        UserError: for a ValueError or TypeError of the class.
    """
    try:
        return factory(*args, **kwargs)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        name = getattr(target_of(factory), "__name__", str(factory))
        raise UserError(f"model.{setting}: {name}: {error}") from error


def accepts(factory: Callable[..., Any], name: str) -> bool:
    """Whether what ``factory`` builds has a parameter ``name`` that is not yet given a value."""
    if name not in inspect.signature(target_of(factory)).parameters:
        return False
    given = factory.keywords if isinstance(factory, functools.partial) else {}
    return given.get(name) is None


def describe(value: Any) -> Any:
    """Write a factory (or any nest of lists, mappings and plain values) as plain data.

    Factories become ``{"class_path": ..., "init_args": {...}}``, the form that a YAML file has. Arguments that are
    None are left out, as they mean the default, and those that a class calls ``only_initial``: what is saved with a
    trained network has no need of the weights that it started from.

    Example:
        >>> describe(functools.partial(dict, a=1))
        {'class_path': 'builtins.dict', 'init_args': {'a': 1}}
    """
    if isinstance(value, functools.partial) or inspect.isclass(value) or inspect.isroutine(value):
        target = target_of(value)
        keywords = value.keywords if isinstance(value, functools.partial) else {}
        initial = getattr(target, "only_initial", ())
        described = {k: describe(item) for k, item in keywords.items() if item is not None and k not in initial}
        spec = {"class_path": f"{target.__module__}.{target.__qualname__}"}
        return {**spec, "init_args": described} if described else spec
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [describe(item) for item in value]
    return value if isinstance(value, (str, bool, int, float, type(None))) else repr(value)
