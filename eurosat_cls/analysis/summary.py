"""What a network is made of: its layers with their outputs, parameters and multiply-adds."""

import math
from typing import Any, NamedTuple

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from eurosat_cls.encoders import Tokens
from eurosat_cls.models.base import PatchModule
from eurosat_cls.models.network import Network
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.modules import evaluating
from eurosat_cls.utils.text import print_table

# Those that `scaled_dot_product_attention` chooses from; torch's counter knows some, which ones differs by version.
ATTENTION_KERNELS = (
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
    "_scaled_dot_product_attention_math_for_mps",
)


class Layer(NamedTuple):
    """A module of the network.

    Attributes:
        name: dotted name; empty for the whole network.
        kind: its class.
        output: shape of its output for one batch, of the features where these are tokens; None when it was not called
            by itself.
        parameters: trainable and frozen parameters in it.
        multiply_adds: for one batch, of convolutions, matrix products and attention.
    """

    name: str
    kind: str
    output: tuple[int, ...] | None
    parameters: int
    multiply_adds: int


class HookedNetwork(Network):
    """A network whose encoder is always called by its ``forward``, so that hooks see its output."""

    def forward(self, image: Tensor) -> Tensor:
        """Raw ``[B, C, H, W]`` -> what the decoder gives."""
        takes = self.decoder.takes
        if takes != "features":
            self.encoder.forward = getattr(self.encoder, f"forward_{takes}")  # type: ignore[method-assign]
        try:
            outputs: Tensor = self.decoder(self.encoder(self.normalize(image)))
        finally:
            self.encoder.__dict__.pop("forward", None)
        return outputs


def _attention_flops(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    """Two operations for each multiply-add of ``query @ key.T`` and of the weights with ``value``, without masks."""
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def layers(network: nn.Module, image: Tensor) -> list[Layer]:
    """Run one batch through a network and describe it and its modules, in the order of their definition.

    Args:
        network: in any mode; it is run in evaluation mode without gradients and left as it was.
        image: ``[B, C, H, W]`` raw patches.
    """
    outputs: dict[str, tuple[int, ...]] = {}
    called: set[str] = set()
    names = {module: name for name, module in network.named_modules()}

    def remember(module: nn.Module, _: object, output: object) -> None:
        called.add(names[module])
        output = output.features if isinstance(output, Tokens) else output
        if isinstance(output, Tensor):
            outputs[names[module]] = tuple(output.shape)

    kernels = {getattr(torch.ops.aten, name): _attention_flops for name in ATTENTION_KERNELS}
    hooks = [module.register_forward_hook(remember) for module in names]
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see into torch's kernel of a whole layer
    try:
        with evaluating(network), torch.no_grad(), FlopCounterMode(display=False, custom_mapping=kernels) as counter:
            network(image)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for hook in hooks:
            hook.remove()
    root = type(network).__name__
    counts: dict[str, int] = {name: sum(kinds.values()) for name, kinds in counter.get_flop_counts().items()}

    def flops(name: str, module: nn.Module) -> int:
        """Those of a module; where another method than ``forward`` was called, those of its children."""
        if name in called:
            return counts.get(f"{root}.{name}" if name else "Global", 0)
        return sum(flops(f"{name}.{child}", part) for child, part in module.named_children())

    return [
        Layer(name, type(module).__name__, outputs.get(name), _size(module), flops(name, module) // 2)
        for name, module in network.named_modules()
        if name in called or _size(module)
    ]


def _size(module: nn.Module) -> int:
    parameters: int = sum(parameter.numel() for parameter in module.parameters())
    return parameters


def print_summary(model: PatchModule, patch_shape: tuple[int, int, int], batch_size: int = 64, depth: int = 3) -> None:
    """Print the layers of a model as a table, and the sums for a patch and for a batch.

    Args:
        model: has ``normalize``, ``encoder`` and ``decoder``.
        patch_shape: ``(C, H, W)``.
        batch_size: patches of the batch that is run, and that the sums are for.
        depth: how many names deep the table goes; 1 shows normalisation, encoder and decoder.

    Raises:
        UserError: for a number below 1, or patches that the network cannot take.
    """
    for name, value in (("batch_size", batch_size), ("depth", depth)):
        if value < 1:
            raise UserError(f"summary: {name} must be at least 1, got {value}.")
    found = layers(HookedNetwork(model), torch.zeros(batch_size, *patch_shape, dtype=torch.uint8, device=model.device))
    title = f"{type(model.encoder).__name__} and {type(model.decoder).__name__}, patches of {_shape(patch_shape)}"
    print_table(table(found, title, depth))
    print(totals(found))


def table(found: list[Layer], title: str = "", depth: int = 3) -> Table:
    """Lay the layers out, down to a depth.

    Args:
        found: as :func:`layers` returns them.
        title: what stands above.
        depth: how many names deep it goes.
    """
    whole = found[0]
    batch = whole.output[0] if whole.output else 1
    shown = Table(
        "layer", "kind", "output", "parameters", "share", "multiply-adds per patch", title=title or whole.kind
    )
    for column in shown.columns[2:]:
        column.justify = "right"
    for layer in found[1:]:
        level = layer.name.count(".")
        if level < depth:
            shown.add_row(
                "  " * level + layer.name.rsplit(".", 1)[-1],
                layer.kind,
                "" if layer.output is None else _shape(layer.output[1:]),
                f"{layer.parameters:,}",
                f"{layer.parameters / max(whole.parameters, 1):.1%}",
                f"{layer.multiply_adds // batch:,}",
            )
    return shown


def _shape(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))


def totals(found: list[Layer]) -> str:
    """Say the sums in two lines."""
    whole = found[0]
    batch = whole.output[0] if whole.output else 1
    return (
        f"parameters      {whole.parameters:,}\n"
        f"multiply-adds   {_giga(whole.multiply_adds / batch)} per patch, "
        f"{_giga(whole.multiply_adds)} per batch of {batch}"
    )


def _giga(number: float) -> str:
    """Write a number in units of 10**9 with enough digits to tell small networks apart.

    Example:
        >>> _giga(35_551_215_616), _giga(47_194_112)
        ('35.55 G', '0.0472 G')
    """
    return f"{number / 1e9:.2f} G" if number >= 1e9 else f"{number / 1e9:.3g} G"
