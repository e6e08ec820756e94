"""Choose parts of a network by the names of its modules."""

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import nearest


def matching(network: nn.Module, pattern: str, setting: str) -> dict[str, nn.Module]:
    """Return the outermost modules whose dotted name matches, such as ``encoder.stem`` or ``encoder.stages.[01]``.

    Args:
        network: whose modules are named.
        pattern: a module's name, or one with the wildcards ``*``, ``?`` and ``[...]``.
        setting: where the pattern was given, for the error.

    Raises:
        UserError: when nothing matches, with the nearest names.

    Example:
        >>> list(matching(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), "[01]", "freeze"))
        ['0', '1']
    """
    names = {name: module for name, module in network.named_modules() if name}
    found: dict[str, nn.Module] = {}
    for name, module in names.items():
        inside = any(name.startswith(outer + ".") for outer in found)
        if not inside and fnmatchcase(name, pattern):
            found[name] = module
    if not found:
        near = nearest(pattern, names, 5, 0.4) or sorted(n for n in names if "." not in n)[:5]
        raise UserError(f"{setting}: {pattern!r} matches no part of the network; there are {', '.join(near)}, ...")
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


@contextmanager
def frozen_batch_statistics(network: nn.Module) -> Iterator[None]:
    """Normalise by the batch, as in training, but leave the running statistics as they are."""
    norms = [m for m in network.modules() if isinstance(m, _NormBase) and m.track_running_stats]
    kept = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]  # type: ignore[union-attr]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, kept, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)  # type: ignore[union-attr]
