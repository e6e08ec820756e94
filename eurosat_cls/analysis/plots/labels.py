"""Write a patch's label as a person would."""

from collections.abc import Sequence

import numpy as np

_LEAST = 0.005  # shares that would read "0%" are left out


def label_text(target: np.ndarray, class_names: Sequence[str], multilabel: bool = False) -> str:
    """Return the label, or the mixture of labels, of one patch.

    Args:
        target: a class index; a share of the second of two classes; or ``[K]`` shares, of which several can be 1 where
            ``multilabel``.
        class_names: ``[K]`` names.
        multilabel: whether a patch can have several labels or none.

    Example:
        >>> label_text(np.array([0.4, 0.6]), ["Forest", "River"])
        '60% River + 40% Forest'
        >>> label_text(np.array([1.0, 0.6]), ["Forest", "River"], multilabel=True)
        'Forest, 60% River'
    """
    if target.ndim == 0:
        if target.dtype.kind in "iu":
            return class_names[int(target)]
        target = np.array([1 - target, target])
    shares = sorted(zip(target.tolist(), class_names, strict=True), key=lambda pair: -pair[0])
    parts = [name if share > 1 - _LEAST else f"{share:.0%} {name}" for share, name in shares if share > _LEAST]
    return (", " if multilabel else " + ").join(parts) or "no label"
