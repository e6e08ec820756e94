"""Classify whole strips at once: the feature map of a convolutional encoder, averaged window by window."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from eurosat_cls.encoders import Encoder
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.network import Network, decide, running
from eurosat_cls.scenes.source import Source
from eurosat_cls.scenes.strips import Strip
from eurosat_cls.scenes.windows import classify_strip
from eurosat_cls.utils.errors import UserError

TILE = 768  # pixels along a side that are classified at once, without the margin
LARGEST_FIELD = 1024  # pixels within which the receptive field must lie
SAMPLE = 256  # windows that are classified both ways
_REFUSED = "--method dense needs a convolutional encoder with a fixed stride: "


class Geometry(NamedTuple):
    """What a place of a feature map sees.

    Attributes:
        stride: pixels from one place to the next.
        margin: pixels on every side of a place's own ``stride x stride`` that its features may depend on; a multiple
            of the stride.
    """

    stride: int
    margin: int


def geometry_of(model: Classifier, window: int) -> Geometry:
    """Find stride and receptive field of a model's encoder by trying.

    Args:
        model: in evaluation mode.
        window: side of its patches in pixels.

    Raises:
        UserError: for an encoder whose map is not that of a convolution, or is not simply averaged.
    """
    encoder, name = model.encoder, type(model.encoder).__name__
    if type(encoder).pool is not Encoder.pool or model.decoder.takes != "features":
        raise UserError(f"{_REFUSED}{name} with {type(model.decoder).__name__} does not average its map.")
    channels = model.normalize(torch.zeros(1, len(model.bands), window, window)).shape[1]
    try:
        sides = [encoder.forward_map(torch.zeros(1, channels, n * window, n * window)).shape[-1] for n in (1, 2)]
    except (UserError, RuntimeError, ValueError):
        raise UserError(f"{_REFUSED}{name} takes patches of {window} pixels only.") from None
    stride = window // sides[0]
    if stride * sides[0] != window or sides[1] != 2 * sides[0]:
        raise UserError(f"{_REFUSED}{name} makes {sides[0]} places of {window} pixels and {sides[1]} of twice as many.")
    side = 4 * stride
    while side <= LARGEST_FIELD:
        first, last = _seen(encoder, channels, side)
        centre = side // stride // 2 * stride
        if first > 0 and last < side - 1:
            reach = max(centre - first, last - (centre + stride - 1), 0)
            return Geometry(stride, -(-reach // stride) * stride)
        side *= 2
    raise UserError(f"{_REFUSED}a place of the map of {name} sees more than {LARGEST_FIELD} pixels.")


def _seen(encoder: Encoder, channels: int, side: int) -> tuple[int, int]:
    """First and last row or column that the middle place of the map depends on, by its gradient."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, channels, side, side, generator=generator, requires_grad=True)
    with torch.enable_grad():
        features = encoder.forward_map(image)
        middle = features.shape[-1] // 2
        features[:, :, middle, middle].abs().sum().backward()  # type: ignore[no-untyped-call]
    assert image.grad is not None
    seen = image.grad.abs().sum(dim=(0, 1)) > 0
    places = torch.cat([seen.any(0).nonzero(), seen.any(1).nonzero()])
    return int(places.min()), int(places.max())


class Dense:
    """Classify the windows of a strip by averaging its feature map.

    It is not the function that windows are: the network sees what lies around a window, where a patch ends in zeros.
    Windows off the grid of the steps, at the last row and column of a scene, are classified by themselves.

    Args:
        network: what classifies.
        layout: of the scene, with :func:`rows_together` rows of windows in a group.
        geometry: of the encoder.

    Raises:
        UserError: for windows and steps that are no multiples of the stride.
    """

    def __init__(self, network: Network, layout: Layout, geometry: Geometry) -> None:
        self.network, self.layout, self.geometry = network, layout, geometry
        check_multiples(layout.window, layout.step, geometry)
        self.columns_together = max(1, TILE // layout.step)

    def __call__(self, strip: Strip, trusted: np.ndarray) -> np.ndarray:
        """Return probabilities of windows, float32 ``[rows, columns, K]``; see :func:`classify_strip`."""
        layout = self.layout
        starts = layout.rows.starts[layout.group_rows(*strip.groups)], layout.columns.starts
        on_grid = [axis % layout.step == 0 for axis in starts]
        regular = trusted & on_grid[0][:, None] & on_grid[1][None, :]
        result = classify_strip(strip, layout, self.network, self.network.outputs, trusted & ~regular)
        for top in range(0, len(starts[0]), layout.group):
            rows = np.arange(top, min(top + layout.group, len(starts[0])))
            rows = rows[on_grid[0][rows]]
            for left in range(0, len(starts[1]), self.columns_together):
                columns = np.arange(left, min(left + self.columns_together, len(starts[1])))
                columns = columns[on_grid[1][columns]]
                part = np.ix_(rows, columns)
                if len(rows) and len(columns) and regular[part].any():
                    result[part] = self._tile(strip, starts[0][rows], starts[1][columns])
        return np.where((trusted)[:, :, None], result, np.float32(0))

    def _tile(self, strip: Strip, tops: np.ndarray, lefts: np.ndarray) -> np.ndarray:
        """Probabilities of the windows at these rows and columns of the scene, float32 ``[rows, columns, K]``."""
        layout, (stride, margin) = self.layout, self.geometry
        window, step = layout.window // stride, layout.step // stride
        up, left = max(0, int(tops[0]) - margin), max(0, int(lefts[0]) - margin)
        down = min(layout.height, int(tops[-1]) + layout.window + margin)
        right = min(layout.width, int(lefts[-1]) + layout.window + margin)
        raw = np.ascontiguousarray(strip.values[:, up - strip.start : down - strip.start, left:right])
        network = self.network
        with running(network.device, network.precision):
            model = network.model
            features = model.encoder.forward_map(model.normalize(torch.from_numpy(raw)[None].to(network.device)))
            features = features[:, :, (tops[0] - up) // stride :, (lefts[0] - left) // stride :]
            pooled: Tensor = F.avg_pool2d(features.float(), window, step)[0, :, : len(tops), : len(lefts)]
            found = pooled.flatten(1).T
            familiarity = model.evidence.familiarity(found) if network.familiar and model.evidence else None
            answers = network.answers(model.decoder(found).float(), familiarity).cpu().numpy()
        result: np.ndarray = answers.reshape(len(tops), len(lefts), -1)
        return result


def check_multiples(window: int, step: int, geometry: Geometry) -> None:
    """Refuse windows and steps that are no multiples of the stride.

    Raises:
        UserError: with steps that are.
    """
    if window % geometry.stride or step % geometry.stride:
        raise UserError(f"--method dense: step and window must be multiples of {geometry.stride} here, e.g. --step "
                        f"{geometry.stride}.")  # fmt: skip


def rows_together(step: int) -> int:
    """Rows of windows that are classified at once."""
    return max(1, TILE // step)


def agreement(network: Network, layout: Layout, source: Source, probabilities: np.ndarray, trusted: np.ndarray) -> str:
    """Classify a sample of a scene's windows by themselves; say for how many that is what was found densely.

    Args:
        network: what classifies.
        layout: of the scene.
        source: the scene.
        probabilities: of its windows, found densely, ``[rows, columns, K]``.
        trusted: which of them count, ``[rows, columns]``.
    """
    rows = np.unique(np.linspace(0, layout.shape[0] - 1, min(layout.shape[0], 8)).astype(int))
    columns = np.unique(np.linspace(0, layout.shape[1] - 1, min(layout.shape[1], SAMPLE // len(rows))).astype(int))
    same, differences, count = 0, 0.0, 0
    for row in rows:
        top = int(layout.rows.starts[row])
        values, _, _ = source.read(slice(top, top + layout.window), slice(0, layout.width))
        chosen = columns[trusted[row, columns].astype(bool)]
        for first in range(0, len(chosen), network.batch):
            part = chosen[first : first + network.batch]
            lefts = layout.columns.starts[part]
            single = network(np.stack([values[:, :, left : left + layout.window] for left in lefts]))
            dense = np.asarray(probabilities[row, part])
            equal = decide(network.model, single)[0] == decide(network.model, dense)[0]
            same += int(equal.reshape(len(part), -1).all(axis=1).sum())
            differences += float(np.abs(single - dense).sum())
            count += len(part)
    if not count:
        return "no window to compare dense with"
    mean = differences / count / probabilities.shape[2]
    return (
        f"dense and windows agree on {same} of {count} sampled windows ({100 * same / count:.1f} %); "
        f"probabilities differ by {mean:.3f} on average"
    )
