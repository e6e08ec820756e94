"""What a network is made of: its layers with their outputs, parameters and multiply-adds."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


class Layer(NamedTuple):
    """A module of the network.

    Attributes:
        name: dotted name; empty for the whole network.
        kind: its class.
        output: shape of its output for one batch, None when it was not called by itself.
        parameters: trainable and frozen parameters in it.
        multiply_adds: for one batch, of convolutions, matrix products and attention.
    """

    name: str
    kind: str
    output: tuple[int, ...] | None
    parameters: int
    multiply_adds: int


def layers(network: nn.Module, image: Tensor) -> list[Layer]:
    """Run one batch through a network and describe it and its modules, in the order in which they are called.

    Args:
        network: in any mode; it is run in evaluation mode without gradients and left as it was.
        image: ``[B, C, H, W]`` raw patches.
    """
    outputs: dict[str, tuple[int, ...]] = {}
    names = {module: name for name, module in network.named_modules()}

    def remember(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor):
            outputs[names[module]] = tuple(output.shape)

    hooks = [module.register_forward_hook(remember) for module in names]
    try:
        with evaluating(network), torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
    root = type(network).__name__
    flops = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    found = []
    for name, module in network.named_modules():
        if name and name not in outputs and not any(True for _ in module.parameters()):
            continue  # neither called nor of any weight
        key = f"{root}.{name}" if name else "Global"
        parameters = sum(parameter.numel() for parameter in module.parameters())
        found.append(Layer(name, type(module).__name__, outputs.get(name), parameters, flops.get(key, 0) // 2))
    return found


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and every module back into its own afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def table(found: list[Layer], depth: int = 3) -> Table:
    """Lay the layers out, down to a depth.

    Args:
        found: as :func:`layers` returns them.
        depth: how many dots deep names may be.
    """
    whole = found[0]
    batch = whole.output[0] if whole.output else 1
    shown = Table("layer", "kind", "output", "parameters", "share", "multiply-adds per patch", title=whole.kind)
    for column in shown.columns[2:]:
        column.justify = "right"
    for layer in found[1:]:
        level = layer.name.count(".")
        if level < depth:
            shown.add_row(
                "  " * level + layer.name.rsplit(".", 1)[-1],
                layer.kind,
                "" if layer.output is None else "x".join(str(size) for size in layer.output[1:]),
                f"{layer.parameters:,}",
                f"{layer.parameters / max(whole.parameters, 1):.1%}",
                f"{layer.multiply_adds // batch:,}",
            )
    return shown


def totals(found: list[Layer]) -> str:
    """Say the sums in one line."""
    whole = found[0]
    batch = whole.output[0] if whole.output else 1
    return (
        f"{whole.parameters:,} parameters; {whole.multiply_adds / batch / 1e9:.4f} G multiply-adds per patch, "
        f"{whole.multiply_adds / 1e9:.2f} G per batch of {batch}"
    )
