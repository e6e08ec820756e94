import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch

from eurosat_cls.models.formula import Formula
from eurosat_cls.utils.errors import UserError


def random_expression(draw: np.random.Generator, depth: int = 0) -> str:
    """A formula of the bands a, b and c that Python reads as well."""
    kind = draw.integers(0, 9) if depth < 4 else draw.integers(0, 2)
    if kind < 2:
        return str(draw.choice(["a", "b", "c"])) if kind == 0 else f"{draw.uniform(0.1, 9):.3g}"
    if kind == 2:
        return f"-{random_expression(draw, depth + 1)}"
    if kind == 3:
        return f"(a + b * c + 1)**{draw.choice(['2', '-1', '0.5', '-2', '3'])}"
    left, right = (random_expression(draw, depth + 1) for _ in range(2))
    operator = draw.choice([" + ", "-", "*", " / "])
    return f"({left}){operator}({right})" if kind < 7 else f"{left}{operator}({right})"


def test_any_formula_gives_what_python_gives() -> None:
    draw = np.random.default_rng(0)
    compared = 0
    while compared < 200:
        text = f"c + {random_expression(draw)}"
        values = {name: draw.uniform(0.5, 1.5, 40) for name in "abc"}
        with np.errstate(all="ignore"):
            expected = eval(text, {"__builtins__": {}}, values)
        if not np.isfinite(expected).all() or np.abs(expected).max() > 1e3:
            continue
        try:
            formula = Formula(text)
        except UserError as error:
            if "too large for float32" not in str(error):
                raise
            continue
        got = formula({name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()})
        # a difference of nearly equal terms has lost digits in float32, whoever computes it
        assert np.median(np.abs(got.numpy() - expected) / (np.abs(expected) + 1e-3)) < 1e-4, text
        compared += 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a / b", 0.0),
        ("1 + a / b", 1.0),
        ("a / (b * 3 - b)", 0.0),
        ("(a - a) / (b - b)", 0.0),
        ("a * b**-1", 0.0),
        ("a * b**-2", 0.0),
        ("b**0.5", 0.0),
        ("(b - a)**0.5", 0.0),
        ("b**-0.5 + a", 5.0),
        ("b**0", 1.0),
        ("a / 0", 0.0),
        ("a / b / b", 0.0),
        ("1 / (a / b)", 0.0),
    ],
)
def test_where_there_is_no_quotient_or_root_the_result_is_0(text: str, expected: float) -> None:
    values = {"a": torch.full((2, 3), 5.0, requires_grad=True), "b": torch.zeros(2, 3, requires_grad=True)}
    result = Formula(text)(values)
    assert (result == expected).all()
    gradients = torch.autograd.grad(result.sum(), list(values.values()), allow_unused=True)
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


def test_a_pixel_without_a_quotient_changes_no_other_ones_gradient() -> None:
    a = torch.tensor([4.0, 4.0], requires_grad=True)
    b = torch.tensor([0.0, 2.0], requires_grad=True)
    gradients = torch.autograd.grad(Formula("a / b")({"a": a, "b": b}).sum(), [a, b])
    assert [gradient.tolist() for gradient in gradients] == [[0.0, 0.5], [0.0, -1.0]]


def test_precedence_is_that_of_python() -> None:
    values = {"a": torch.tensor(3.0), "b": torch.tensor(2.0)}
    for text, expected in {"-a**2": -9, "a - b - 1": 0, "a / b / 2": 0.75, "a + b * 2": 7, "-a * b**-1": -1.5}.items():
        assert Formula(text)(values).item() == expected, text


def test_spelling_makes_no_other_formula() -> None:
    one, other = Formula("(nir-red)/(nir+red)"), Formula("(B8 - b04) / (B08 + B4)")
    assert one.expression == other.expression
    assert one.bands == other.bands == ["B04", "B08"]
    assert Formula("nir - red").expression != Formula("red - nir").expression


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nir.__class__", r"contains 'nir\.__class__'"),
        ("(nir - red).real", "contains"),
        ("abs(nir)", r"contains 'abs\(nir\)'"),
        ("__import__('os').system('true')", "contains"),
        ("nir[0] / red", r"contains 'nir\[0\]'"),
        ("nir if red else 1", "contains"),
        ("nir > red", "contains 'nir > red'"),
        ("nir // red", "contains 'nir // red'"),
        ("nir % 2", "contains 'nir % 2'"),
        ("nir @ red", "contains"),
        ("nir and red", "contains"),
        ("~nir", "contains '~nir'"),
        ("[nir, red]", "contains"),
        ("lambda: nir", "contains"),
        ("nir + 'red'", "contains \"'red'\""),
        ("nir + True", "contains 'True'"),
        ("nir + 2j", "contains '2j'"),
        ("nir +", "is not a formula"),
        ("nir red", "is not a formula"),
        ("x = nir", "is not a formula"),
        ("nir\0", "is not a formula"),
        ("", "is not a formula"),
        ("(" * 250 + "nir" + ")" * 40, "is not a formula"),
        ("2 + 2", "names no band"),
        ("nir**99999", "exponent '99999'.* from -4 to 4"),
        ("nir**-5", "exponent '-5'"),
        ("nir**red", "exponent 'red'"),
        ("nir**(1 + 1)", r"exponent '1 \+ 1'"),
        ("9**9**9 * nir", "exponent"),
        ("nir**'a'", "contains \"'a'\""),
        ("1e999 * nir", "a number above"),
        ("nir + " + "9" * 200, "a number above"),
        ("nir**4 * nir**4 * red**4", "too large for float32"),
        ("nir / red**-4 / red", "too large for float32"),
        ("nir + " * 60 + "nir", "longer than 300"),
    ],
)
def test_anything_but_arithmetic_on_bands_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        Formula(text)
    assert str(raised.value).startswith("model.indices: ")
    assert len(str(raised.value)) < 240
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda formula: pickle.loads(pickle.dumps(formula))])
def test_a_formula_can_be_copied(again: Callable[[Formula], Formula]) -> None:
    assert again(Formula("nir**2 - 1"))({"B08": torch.tensor(3.0)}).item() == 8
