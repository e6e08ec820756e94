"""The space of a search: which settings vary, and how."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from eurosat_cls.utils.errors import UserError

Scalar: TypeAlias = bool | int | float | str | None
RANGE_KEYS = {"low", "high", "log", "step"}
MOST_COMBINATIONS = 10_000


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones where both are whole.

    Attributes:
        low: the smallest.
        high: the largest.
        log: whether to sample uniformly in the logarithm.
        step: distance of neighbours from ``low`` on; None for any number between.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def values(self, name: str) -> list[Scalar]:
        """Every number of it.

        Raises:
            UserError: for a range without steps, naming it.
        """
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None:
            raise UserError(f"{name}: a grid needs a step, or a list of values, instead of a continuous range.")
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        # Rounded as the ends are written, so that 0.1 + 2 * 0.1 is 0.3.
        return [self.low + i * step if self.whole else round(self.low + i * step, 12) for i in range(count)]

    def ends(self, name: str) -> list[Scalar]:
        """Its two ends."""
        return [self.low, self.high]


@dataclass(frozen=True)
class Choice:
    """One of several values; a value may be a mapping that holds ranges and choices of its own.

    Attributes:
        options: by label, which is the value itself where it is a plain one.
    """

    options: Mapping[Scalar, Any]

    def values(self, name: str) -> list[Scalar]:
        """The labels."""
        return list(self.options)

    ends = values


Decision: TypeAlias = Callable[[str, Range | Choice], Scalar]
Params: TypeAlias = dict[str, Scalar]  # decisions by name


@dataclass(frozen=True)
class Entry:
    """A setting that varies: where it is in the configuration (empty for all of it), its name, and what it may be."""

    path: tuple[str, ...]
    name: str
    varies: Range | Choice


@dataclass(frozen=True)
class Space:
    """The settings that vary, the outer ones first.

    Example:
        >>> rate = Range(0.01, 0.3, log=True)
        >>> space = Space([Entry(("model", "lr"), "model.lr", rate), Entry(("seed",), "seed", choice([0, 1], "seed"))])
        >>> space.overlay({"model.lr": 0.1, "seed": 1})
        {'model': {'lr': 0.1}, 'seed': 1}
    """

    entries: Sequence[Entry]

    def decide(self, decision: Decision) -> dict[str, Any]:
        """Return the overlay that follows from decisions, which are asked for by name, outer ones first."""
        result: dict[str, Any] = {}
        for entry in self.entries:
            value = _fill(entry.varies, entry.name, decision)
            if not entry.path:
                result = value
                continue
            place = result
            for part in entry.path[:-1]:
                place = place.setdefault(part, {})
            place[entry.path[-1]] = value
        return result

    def overlay(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        """Return the overlay of decisions that were made before."""
        return self.decide(lambda name, _: params[name])

    def combinations(self) -> list[Params]:
        """Every combination, conditional decisions only where they apply.

        Raises:
            UserError: for a range without steps, or more combinations than anybody means.
        """
        found: list[Params] = []
        open_: list[Params] = [{}]
        while open_:
            known = open_.pop()
            if (undecided := self._first_undecided(known)) is None:
                found.append(known)
            else:
                name, node = undecided
                open_ += [{**known, name: value} for value in reversed(node.values(name))]
            if len(found) + len(open_) > MOST_COMBINATIONS:
                raise UserError(f"the grid has more than {MOST_COMBINATIONS:,} combinations; sample without --grid.")
        return found

    def _first_undecided(self, known: Params) -> tuple[str, Range | Choice] | None:
        try:
            self.overlay(known)
        except KeyError as missing:
            name = str(missing.args[0])
            return name, self.nodes(known)[name]
        return None

    def nodes(self, known: Mapping[str, Scalar]) -> dict[str, Range | Choice]:
        """What is decided under each name, as far as known decisions lead, and one further."""
        found: dict[str, Range | Choice] = {}

        def decision(name: str, node: Range | Choice) -> Scalar:
            found[name] = node
            return known[name] if name in known else node.ends(name)[0]

        self.decide(decision)
        return found

    def described(self) -> dict[str, str]:
        """What varies, in words, by name.

        Example:
            >>> Space([Entry(("a", "b"), "a.b", choice([None, {"c": [1]}], "a.b"))]).described()
            {'a.b': '[None, {c: [1]}]'}
        """
        return {entry.name: describe(entry.varies) for entry in self.entries}

    def samples(self) -> Iterator[dict[str, Any]]:
        """Overlays in which every choice is taken, and every range has been at both ends, at least once."""
        visits: dict[tuple[str, Scalar], int] = {}

        def decision(name: str, node: Range | Choice) -> Scalar:
            options = node.ends(name)
            for option in options:
                visits.setdefault((name, option), 0)
            chosen = min(options, key=lambda option: visits[name, option])
            visits[name, chosen] += 1
            return chosen

        yield self.decide(decision)
        while not all(visits.values()):
            yield self.decide(decision)


def _fill(template: Any, name: str, decision: Decision) -> Any:
    if isinstance(template, Range):
        return decision(name, template)
    if isinstance(template, Choice):
        label = decision(name, template)
        return _fill(template.options[label], f"{name}[{label}]", decision)
    if isinstance(template, dict):
        return {key: _fill(value, f"{name}.{key}", decision) for key, value in template.items()}
    return template


def describe(template: Any) -> str:
    """Write what may be decided in words."""
    if isinstance(template, Range):
        kind = ", log" if template.log else f", step {template.step}" if template.step else ""
        return f"{template.low} to {template.high}{kind}"
    if isinstance(template, Choice):
        return f"[{', '.join(describe(option) for option in template.options.values())}]"
    if isinstance(template, dict):
        return f"{{{', '.join(f'{key}: {describe(value)}' for key, value in template.items())}}}"
    return str(template)


def choice(options: Sequence[Any], where: str) -> Choice:
    """Return the choice between these values.

    Args:
        options: plain values, lists, or mappings such as ``{class_path: ..., init_args: ...}``, whose values may be
            ranges ``{low: ..., high: ...}`` and choices ``{choices: [...]}``.
        where: name of the setting, for errors.

    Raises:
        UserError: for no values, or the same one twice.

    Example:
        >>> choice([{"class_path": "torch.optim.SGD"}, [0.9, 0.99], None], "optimizer").values("")
        ['SGD', '[0.9, 0.99]', None]
    """
    if not options:
        raise UserError(f"{where}: the list of values is empty.")
    labelled: dict[Scalar, Any] = {}
    for option in options:
        label = _label(option)
        if label in labelled and (not isinstance(option, dict) or option in options[: len(labelled)]):
            raise UserError(f"{where}: {label!r} is listed twice.")
        number = 2
        while label in labelled:
            label, number = f"{_label(option)} {number}", number + 1
        labelled[label] = _template(option, f"{where}[{label}]")
    return Choice(labelled)


def _label(option: Any) -> Scalar:
    if option is None or isinstance(option, (bool, int, float, str)):
        return option
    if isinstance(option, dict) and isinstance(option.get("class_path"), str):
        return str(option["class_path"]).rpartition(".")[2]
    return yaml.safe_dump(option, default_flow_style=True, width=10_000).strip()


def _template(value: Any, where: str) -> Any:
    """A value of a choice, with ranges and choices in it read."""
    if not isinstance(value, dict):
        return value
    if set(value) == {"choices"} or {"low", "high"} & set(value):
        return read_node(value, where)
    return {key: _template(item, f"{where}.{key}") for key, item in value.items()}


def read_node(value: Any, where: str) -> Range | Choice:
    """Return what a value of a space file stands for.

    Args:
        value: a list, ``{choices: [...]}``, or a range.
        where: name of the setting, for errors.

    Raises:
        UserError: for anything else, or an impossible range.
    """
    if isinstance(value, dict) and set(value) == {"choices"}:
        value = value["choices"]
    if isinstance(value, list):
        return choice(value, where)
    if not isinstance(value, dict) or not {"low", "high"} & set(value):
        raise UserError(
            f"{where}: {value!r} is neither a range {{low: ..., high: ...}} nor a list of values; "
            "what does not vary belongs into a --config file."
        )
    return _range(value, where)


def _range(value: dict[str, Any], where: str) -> Range:
    if odd := [str(key) for key in value if key not in RANGE_KEYS]:
        raise UserError(f"{where}: a range has low, high, and maybe log or step, but not {', '.join(odd)}.")
    if missing := {"low", "high"} - set(value):
        raise UserError(f"{where}: the range has no {missing.pop()}.")
    for key in ("low", "high", "step"):
        number = value.get(key)
        known = isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)
        if key in value and not known:
            raise UserError(f"{where}: {key}: {number!r} is no number.")
    low, high, step, log = value["low"], value["high"], value.get("step"), value.get("log", False)
    if not isinstance(log, bool):
        raise UserError(f"{where}: log: {log!r} is neither true nor false.")
    if low >= high:
        raise UserError(f"{where}: the range is empty: low {low} is not below high {high}.")
    if log and low <= 0:
        raise UserError(f"{where}: log: true needs low above 0, not {low}.")
    if log and step is not None:
        raise UserError(f"{where}: a range has log or step, not both; list the values instead.")
    if step is not None and not 0 < step <= high - low:
        raise UserError(f"{where}: step {step} is not above 0 and at most high - low = {high - low:g}.")
    whole = isinstance(low, int) and isinstance(high, int) and isinstance(step, (int, type(None)))
    return Range(low, high, log, step) if whole else Range(float(low), float(high), log, step)
