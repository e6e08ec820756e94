"""Formulas over bands, such as ``(nir - red) / (nir + red)``, as tensor operations."""

import ast
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from eurosat_cls.data.sentinel2 import find_band
from eurosat_cls.utils.errors import UserError

_LONGEST = 300  # characters
_HIGHEST = 4  # exponent
_LARGEST = 1e12  # number


class Formula:
    """A formula of band names or aliases, numbers, ``+ - * / **`` and parentheses; it is parsed, never executed.

    A quotient is 0 where its denominator is 0, and a root is 0 where there is none; a formula that can exceed float32
    is refused. So no value and no gradient is NaN or infinite.

    Attributes:
        text: as it was given.
        expression: the same with the canonical names of its bands; alike for formulas that differ in spelling only.
        bands: names of the bands that it needs, of Sentinel-2 or others, sorted.

    Raises:
        UserError: for anything else, naming the formula and what is wrong in it.

    Example:
        >>> formula = Formula("(nir - red) / (nir + red)")
        >>> formula.bands
        ['B04', 'B08']
        >>> formula({"B04": torch.tensor([1.0, 0.0]), "B08": torch.tensor([3.0, 0.0])})
        tensor([0.5000, 0.0000])
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _LONGEST:
            raise self.wrong(f"is longer than {_LONGEST} characters")
        try:
            parsed = ast.parse(text.strip(), mode="eval").body
            self._tree = self._checked(parsed)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            if isinstance(error, UserError):
                raise
            raise self.wrong(f"is not a formula ({getattr(error, 'msg', error)})") from error
        self.expression = ast.unparse(self._tree)
        self.bands = sorted({node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)})
        if not self.bands:
            raise self.wrong("names no band")
        self._refuse_overflow()

    def __call__(self, bands: Mapping[str, Tensor]) -> Tensor:
        """Return the formula's values.

        Args:
            bands: float32 tensors of one shape by name, at least those of :attr:`bands`.

        Returns:
            float32, of the same shape.
        """
        return _evaluate(self._tree, bands)

    def wrong(self, why: str) -> UserError:
        """Return an error that names the formula."""
        shown = self.text if len(self.text) <= 80 else f"{self.text[:77]}..."
        return UserError(f"model.indices: {shown!r} {why}.")

    def _checked(self, node: ast.expr) -> ast.expr:
        """Return the tree with canonical band names and float numbers, of which each part is one that is allowed."""
        match node:
            case ast.BinOp(left, ast.Pow(), exponent):
                return ast.BinOp(self._checked(left), ast.Pow(), self._exponent(exponent))
            case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() | ast.Div() as operator, right):
                return ast.BinOp(self._checked(left), operator, self._checked(right))
            case ast.UnaryOp(ast.USub(), operand):
                return ast.UnaryOp(ast.USub(), self._checked(operand))
            case ast.Constant(int() | float() as value) if not isinstance(value, bool):
                if value > _LARGEST:
                    raise self.wrong(f"contains a number above {_LARGEST:g}")
                return ast.Constant(float(value))
            case ast.Name(name):
                band = find_band(name)
                return ast.Name(name if band is None else band.name)
        raise self.wrong(
            f"contains {_shown(node)}, but a formula is made of bands, numbers, + - * / ** and parentheses"
        )

    def _exponent(self, node: ast.expr) -> ast.expr:
        match self._checked(node):
            case ast.Constant(float() as value) | ast.UnaryOp(_, ast.Constant(float() as value)) if value <= _HIGHEST:
                return ast.Constant(value if isinstance(node, ast.Constant) else -value)
        raise self.wrong(f"has the exponent {_shown(node)}, which is not a number from -{_HIGHEST} to {_HIGHEST}")

    def _refuse_overflow(self) -> None:
        """Try values from small reflectances to the largest digital number, equal ones and nearly equal ones."""
        generator = torch.Generator().manual_seed(0)
        spread = 10 ** (torch.rand(len(self.bands), 500, generator=generator) * 9 - 4)
        close = spread[:1] * (1 + 1e-7 * torch.randint(0, 3, spread.shape, generator=generator))
        edges = torch.tensor([0.0, 1.0, 65535.0]).expand(len(self.bands), 3)
        tried = torch.cat([spread.clamp_max(65535), close.clamp_max(65535), edges], 1).requires_grad_()
        values = self(dict(zip(self.bands, tried)))
        (gradient,) = torch.autograd.grad(values.sum(), tried, allow_unused=True)
        if not values.isfinite().all() or not (gradient is None or gradient.isfinite().all()):
            raise self.wrong("is too large for float32 at values that images can have")


def _shown(node: ast.expr) -> str:
    piece = ast.unparse(node)
    return repr(piece if len(piece) <= 40 else f"{piece[:37]}...")


def _evaluate(node: ast.expr, bands: Mapping[str, Tensor]) -> Tensor:
    match node:
        case ast.Name(name):
            return bands[name]
        case ast.Constant(float() as value):
            return torch.full((), value, device=next(iter(bands.values())).device)
        case ast.UnaryOp(_, operand):
            return -_evaluate(operand, bands)
        case ast.BinOp(left, ast.Pow(), ast.Constant(float() as exponent)):
            return _power(_evaluate(left, bands), exponent)
        case ast.BinOp(left, operator, right):
            return _OPERATIONS[type(operator)](_evaluate(left, bands), _evaluate(right, bands))
    raise AssertionError(node)


def _divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """``numerator / denominator``, 0 where the denominator is 0."""
    # The inner `where` is for the gradient: 0 times that of a division by 0 would be NaN.
    zero = denominator == 0
    return torch.where(zero, 0.0, numerator / torch.where(zero, 1.0, denominator))


def _power(base: Tensor, exponent: float) -> Tensor:
    """``base ** exponent``, 0 where that is not a real number."""
    if exponent < 0:
        return _divide(torch.ones_like(base), _power(base, -exponent))
    if exponent.is_integer():
        return base ** int(exponent)
    positive = base > 0
    return torch.where(positive, torch.where(positive, base, 1.0) ** exponent, 0.0)


_OPERATIONS: dict[type[ast.operator], Callable[[Tensor, Tensor], Tensor]] = {
    ast.Add: torch.add,
    ast.Sub: torch.sub,
    ast.Mult: torch.mul,
    ast.Div: _divide,
}
