"""Start a network from weights that were trained elsewhere."""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from eurosat_cls.checkpoints.tensors import read_tensors
from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.distributed import rank_zero_print
from eurosat_cls.utils.errors import UserError


class Weights(Configurable):
    """Load weights from a checkpoint of this project, a safetensors file, or a state dict of torch.

    Nothing in the file is ever executed. What was loaded, what the file lacked and what did not fit is printed.

    Args:
        path: the file.
        part: load the ``encoder`` only, or ``all`` of encoder, decoder and normalisation.
        prefix: take only names of the file that begin with this, and drop it.
        rename: by beginning of a name in the file (after ``prefix``), what to put in its place; the longest wins.

    Raises:
        UserError: when loading, for an unreadable file, and when nothing in it fits.
    """

    def __init__(
        self,
        path: str,
        part: Literal["encoder", "all"] = "encoder",
        prefix: str = "",
        rename: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.part, self.prefix, self.rename = path, part, prefix, dict(rename or {})

    def load_into(self, model: nn.Module) -> dict[str, list[str]]:
        """Copy what fits into a model, and print what did not.

        Args:
            model: has ``encoder``, and for ``all`` also ``decoder`` and ``normalize``.

        Returns:
            Names of tensors: ``loaded``, ``missing`` (of the model, not in the file), ``other_shape``, ``unused`` (of
            the file).

        Raises:
            UserError: as the class says.
        """
        parts = ["encoder"] if self.part == "encoder" else ["normalize", "encoder", "decoder"]
        ours = {
            f"{part}.{name}": tensor
            for part in parts
            for name, tensor in getattr(model, part).state_dict(keep_vars=True).items()
        }
        file = self._named(read_tensors(self.path))
        theirs = max((_placed(file, place) for place in _places(ours)), key=lambda names: len(names.keys() & ours))
        same = {name for name in theirs.keys() & ours.keys() if theirs[name].shape == ours[name].shape}
        outcome = {
            "loaded": sorted(same),
            "missing": sorted(ours.keys() - theirs.keys()),
            "other_shape": sorted((theirs.keys() & ours.keys()) - same),
            "unused": sorted(theirs.keys() - ours.keys()),
        }
        self._report(outcome, ours, theirs)
        for name in same:
            ours[name].data.copy_(theirs[name])
        return outcome

    def _named(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        named = {}
        for name, tensor in tensors.items():
            if name.startswith(self.prefix):
                name = name.removeprefix(self.prefix)
                begin = max((old for old in self.rename if name.startswith(old)), key=len, default=None)
                named[name if begin is None else self.rename[begin] + name.removeprefix(begin)] = tensor
        if not named:
            some = ", ".join(list(tensors)[:3])
            raise UserError(f"weights: no name in {self.path} begins with {self.prefix!r}; there are {some}, ...")
        return named

    def _report(self, outcome: dict[str, list[str]], ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
        if not any(isinstance(ours[name], nn.Parameter) for name in outcome["loaded"]):
            shape = f"; {outcome['other_shape'][0]} has another shape" if outcome["other_shape"] else ""
            raise UserError(
                f"weights: nothing in {self.path} fits the {self.part}: it has {_some(sorted(theirs))}, the model "
                f"{_some(sorted(ours))}{shape}. Set prefix or rename, or use the encoder that they belong to."
            )
        rank_zero_print(f"weights: {len(outcome['loaded'])} of {len(ours)} tensors loaded from {self.path}")
        if outcome["missing"]:
            rank_zero_print(f"  not in the file, left as they were: {_some(outcome['missing'])}")
        for name in outcome["other_shape"][:5]:
            shapes = f"{list(theirs[name].shape)} there, {list(ours[name].shape)} here"
            rank_zero_print(f"  of another shape, left as they were: {name} ({shapes})")
        if outcome["unused"]:
            rank_zero_print(f"  not used: {_some(outcome['unused'])}")


def _places(ours: Mapping[str, Any]) -> list[str]:
    """Where names of a file may belong: nowhere below (they are whole), or below a part or a child of a part."""
    children = {".".join(name.split(".")[:depth]) + "." for name in ours for depth in (1, 2)}
    return ["", *sorted(children)]


def _placed(tensors: Mapping[str, Tensor], place: str) -> dict[str, Tensor]:
    return {place + name: tensor for name, tensor in tensors.items()}


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f", ... ({len(names)})" if len(names) > 4 else "")
