"""The parser: closed to URLs, without abbreviations, and with short errors."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import jsonargparse
import yaml
from lightning.pytorch.cli import LightningArgumentParser

from eurosat_cls.config.roles import importable, reason_against
from eurosat_cls.config.trust import PACKAGES
from eurosat_cls.utils.errors import UserError

# Lightning's command line opens --config to URLs when it is imported: close that again.
jsonargparse.set_parsing_settings(config_read_mode_fsspec_enabled=False, config_read_mode_urls_enabled=False)
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # about Lightning's own calls
_DENIED = re.compile(r"Importing '([^']+)' is not allowed, denied by .*?set_parsing_settings to allow it\.", re.DOTALL)


@contextmanager
def closed_parser(packages: Sequence[str]) -> Iterator[None]:
    """Let jsonargparse import what is listed, and from trusted packages; afterwards what is listed only.

    Which of it may stand where is judged by :func:`eurosat_cls.config.roles.check_config` before anything is built.
    """
    set_parsing = jsonargparse.set_parsing_settings
    set_parsing(import_path_denylist=["*"], import_path_allowlist=[*importable(), *packages])
    try:
        yield
    finally:
        set_parsing(import_path_denylist=[name for name in packages if name not in PACKAGES])


def explain(message: str) -> str:
    """Say in our words what jsonargparse refused to import."""
    return _DENIED.sub(lambda found: reason_against(found[1]) or f"{found[1]} is refused.", message)


class _Dumper(yaml.SafeDumper):
    """Quotes texts that jsonargparse would read back as numbers, such as a class called 1e5."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d[\d_]*(?:\.[\d_]*)?[eE][-+]?\d+$"), list("-+0123456789")
)
jsonargparse.set_dumper(
    "yaml", lambda data: yaml.dump(data, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True)
)


class Parser(LightningArgumentParser):
    """Lightning's parser with short errors and no abbreviated options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """End with one or two lines and exit code 2."""
        raise UserError(short_message(explain(message))) from ex


_NOISE = re.compile(
    r"^(Does not validate against|Subtypes:|Errors:|Given value|Problem with given|Expected a <class 'NoneType'>"
    r"|Parser key|usage:|Traceback)"
)


def short_message(message: str) -> str:
    r"""Return the key and the innermost reason of a nested parser message.

    Example:
        >>> short_message('Parser key "model":\n  Does not validate against any of the Union subtypes\n  Errors:\n'
        ...     '    - Problem with given class_path:\n        Parser key "encoder":\n'
        ...     "          Option 'widthz' is not accepted")
        "model.encoder: Option 'widthz' is not accepted"
    """
    keys: list[str] = []
    reasons: list[str] = []
    for line in message.splitlines():
        text = line.strip().lstrip("- ").strip()
        if found := re.match(r'Parser key "([^"]+)":?\s*(.*)', text):
            keys.append(found[1])
            text = found[2]
        if text and not _NOISE.match(text):
            reasons.append(re.sub(r"\s*Got value: Namespace\(.*", "", text))
    if not reasons:
        return " ".join(message.split())[:400]
    reasons.sort(key=lambda reason: reason.startswith("Expected a"))  # a subtype that was not meant, most often
    path = ".".join(keys[:1] + [key for before, key in pairwise(keys) if key != before])
    reason = reasons[0] if len(reasons[0]) < 400 else reasons[0][:400] + " ..."
    return f"{path}: {reason}" if path else reason
