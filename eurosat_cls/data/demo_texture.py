"""Brushes for the demo patches: random numbers, noise, land parcels, curves, roofs and the sensor's view of it all.

Shapes: a *mask* or a *texture* is ``[S, S]`` and an *image* ``[3, S, S]``, float64, with S = 64. Image values are grey
levels of 0 to 255 in the order red, green, blue.

Every machine has to paint the same picture. So random numbers are only ever drawn as uniform doubles (the one
distribution whose stream numpy has never changed), all arithmetic is float64, and rounding to grey levels comes last:
a difference in the last bit of a sine or of a matrix product then moves a pixel with a chance of about 1e-12.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Colour = tuple[float, float, float]

SIZE = 64
SOIL: Colour = (148, 120, 108)
GREENS: Sequence[Colour] = ((48, 86, 82), (60, 98, 84), (40, 72, 74), (72, 106, 88))
SOILS: Sequence[Colour] = (SOIL, (186, 146, 128), (118, 102, 100), (140, 126, 112))
MEADOWS: Sequence[Colour] = ((54, 90, 84), (66, 98, 86), (48, 80, 80))
WOODS: Sequence[Colour] = ((36, 62, 68), (42, 68, 72), (34, 54, 72))
SCRUB: Sequence[Colour] = ((98, 96, 102), (116, 104, 100), (84, 86, 98), (76, 88, 86), (132, 118, 110))
ASPHALT: Sequence[Colour] = ((118, 119, 130), (104, 106, 119), (136, 134, 140))
TILES: Sequence[Colour] = ((146, 112, 108), (124, 118, 124), (168, 150, 146), (108, 100, 108), (180, 172, 172))
SHEDS: Sequence[Colour] = (
    (238, 238, 240),
    (206, 208, 214),
    (150, 152, 160),
    (176, 172, 172),
    (112, 128, 158),
    (104, 104, 112),
)
WATER: Sequence[Colour] = ((38, 66, 92), (28, 46, 86), (42, 74, 94), (70, 114, 122), (80, 98, 108))
SAND: Colour = (176, 158, 140)

_AXIS = np.arange(SIZE) - (SIZE - 1) / 2
_X, _Y = np.meshgrid(_AXIS, _AXIS)


class Scene:
    """Draw everything that is random about one patch.

    Args:
        key: Non-negative integers that name the patch; equal keys paint equal patches.
    """

    def __init__(self, *key: int) -> None:
        self._generator = np.random.default_rng(key)
        self.dryness = 0.4 * self.uniform() ** 2

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return one number in ``[low, high)``."""
        return low + (high - low) * self._generator.random()

    def integer(self, low: int, high: int) -> int:
        """Return one integer from ``low`` to ``high``, both included."""
        return math.floor(self.uniform(low, high + 1))

    def chance(self, probability: float) -> bool:
        """Return true with the given probability."""
        return self._generator.random() < probability

    def angle(self) -> float:
        """Return a direction in radians."""
        return self.uniform(0.0, 2 * math.pi)

    def table(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Array:
        """Return independent numbers in ``[low, high)`` of the given shape."""
        return low + (high - low) * self._generator.random(shape)

    def colour(self, options: Sequence[Colour], spread: float = 0.1) -> Array:
        """Return one of ``options`` as ``[3]``, varied in brightness and hue; greens fade to soil in a dry season."""
        base = np.array(options[self.integer(0, len(options) - 1)], dtype=np.float64)
        if base[1] > base[0]:
            base += self.dryness * 0.75 * (0.8 * np.array(SOIL) - base)
        return base * self.uniform(1 - spread, 1 + spread) * self.table(3, low=1 - spread / 3, high=1 + spread / 3)


@cache
def _spline(cells: int) -> Array:
    """Return the cubic B-spline matrix ``[S, cells + 3]`` that stretches a row of control points over the patch."""
    position = (np.arange(SIZE) + 0.5) * cells / SIZE
    t = np.abs(position[:, None] + 1 - np.arange(cells + 3))
    weights: Array = np.where(t < 1, (4 - 6 * t**2 + 3 * t**3) / 6, np.clip(2 - t, 0, None) ** 3 / 6)
    return weights


def smooth(scene: Scene, cells: int) -> Array:
    """Return smooth noise ``[S, S]`` of about ``cells`` humps per side, mostly within -1 and 1."""
    weights = _spline(cells)
    humps: Array = weights @ scene.table(cells + 3, cells + 3, low=-2.5, high=2.5) @ weights.T
    return humps


def fractal(scene: Scene, coarsest: int = 2, octaves: int = 4) -> Array:
    """Return noise ``[S, S]`` whose octaves halve in size and in height, mostly within -1 and 1."""
    layers = [smooth(scene, coarsest << k) * 0.5**k for k in range(octaves)]
    return sum(layers[1:], layers[0]) * 0.7


def grain(scene: Scene, *leading: int) -> Array:
    """Return white noise ``[*leading, S, S]`` of unit variance, nearly Gaussian."""
    shape = (*leading, SIZE, SIZE)
    return 2 * (scene.table(*shape) + scene.table(*shape) + scene.table(*shape) - 1.5)


def blur(picture: Array) -> Array:
    """Blur ``[..., S, S]`` with the binomial kernel 1-2-1 along both axes, repeating the border."""
    padded = np.concatenate([picture[..., :1, :], picture, picture[..., -1:, :]], axis=-2)
    rows = 0.25 * (padded[..., :-2, :] + padded[..., 2:, :]) + 0.5 * picture
    padded = np.concatenate([rows[..., :1], rows, rows[..., -1:]], axis=-1)
    both: Array = 0.25 * (padded[..., :-2] + padded[..., 2:]) + 0.5 * rows
    return both


def hillshade(scene: Scene, relief: Array) -> Array:
    """Return the light ``[S, S]`` on a relief ``[S, S]`` from a random side, zero where the ground is level."""
    angle = scene.angle()
    east, south = relief - np.roll(relief, 1, axis=1), relief - np.roll(relief, 1, axis=0)
    east[:, 0], south[0] = east[:, 1], south[1]
    return math.cos(angle) * east + math.sin(angle) * south


def turned(scene: Scene, angle: float, reach: float = 32.0) -> tuple[Array, Array]:
    """Return coordinates ``(along, across)`` in pixels, turned by ``angle``, with the origin up to ``reach`` away."""
    cosine, sine = math.cos(angle), math.sin(angle)
    along = cosine * _X + sine * _Y + scene.uniform(-reach, reach)
    return along, cosine * _Y - sine * _X + scene.uniform(-reach, reach)


def inside(distance: Array, half_width: float | Array) -> Array:
    """Return the mask ``[S, S]`` of ``|distance| < half_width``, with edges one pixel soft."""
    return np.clip(half_width + 0.5 - np.abs(distance), 0.0, 1.0)


def flat(colour: Array) -> Array:
    """Return an image of one colour, ``[3]``."""
    return np.tile(colour[:, None, None], (1, SIZE, SIZE))


def paint(image: Array, mask: Array, colour: Array) -> None:
    """Lay ``colour``, ``[3]`` or ``[3, S, S]``, over ``image`` in place where ``mask`` is 1."""
    image += mask * ((colour[:, None, None] if colour.ndim == 1 else colour) - image)


def parcels(scene: Scene, angle: float, cuts: int) -> tuple[NDArray[np.int64], Array]:
    """Cut the patch into up to ``cuts + 1`` parcels; return that of each pixel, and the mask of their boundaries."""
    labels = np.zeros((SIZE, SIZE), dtype=np.int64)
    for new in range(1, cuts + 1):
        row, column = scene.integer(4, SIZE - 5), scene.integer(4, SIZE - 5)
        turn = angle + (math.pi / 2 if scene.chance(0.5) else 0.0) + scene.uniform(-0.12, 0.12)
        side = (_X - _AXIS[column]) * math.cos(turn) + (_Y - _AXIS[row]) * math.sin(turn) > 0
        labels[side & (labels == labels[row, column])] = new
    edge = np.zeros((SIZE, SIZE))
    edge[1:] += labels[1:] != labels[:-1]
    edge[:, 1:] += labels[:, 1:] != labels[:, :-1]
    return labels, np.minimum(edge, 1.0)


def curve(scene: Scene, bend: float, reach: float = 20.0) -> tuple[Array, Array]:
    """Return the signed distance in pixels to a random line across the patch, and the position along it.

    ``bend`` is the height of its arc and of its meanders in pixels; the distance is exact to first order.
    """
    along, across = turned(scene, scene.angle(), reach)
    arc, swing = scene.uniform(-bend, bend) / SIZE**2 * 4, scene.uniform(0.0, bend) / 3
    pace, start = scene.uniform(0.06, 0.16), scene.angle()
    offset = arc * along**2 + swing * np.sin(pace * along + start)
    slope = 2 * arc * along + swing * pace * np.cos(pace * along + start)
    return (across - offset) / np.sqrt(1 + slope**2), along


Grid = tuple[NDArray[np.int64], Array, Array]


def lattice(u: Array, v: Array, pitch_u: float, pitch_v: float) -> Grid:
    """Return each pixel's cell in a lattice (int64 ``[S, S]``, below 1024) and its offsets from the cell's centre."""
    cell_u, cell_v = np.floor(u / pitch_u), np.floor(v / pitch_v)
    key = (cell_u.astype(np.int64) % 32) * 32 + cell_v.astype(np.int64) % 32
    return key, u - (cell_u + 0.5) * pitch_u, v - (cell_v + 0.5) * pitch_v


def roofs(scene: Scene, image: Array, grid: Grid, half: Array, colours: Array, keep: Array) -> None:
    """Paint at most one roof per cell of the grid, with its shadow, in place.

    ``half`` are the half extents in pixels of the roof of each cell along both axes, ``[2, 1024]``; each takes one of
    the ``colours`` ``[K, 3]``; ``keep`` ``[S, S]`` is 1 in the cells that have a roof, 0 elsewhere.
    """
    key, du, dv = grid
    jitter = scene.table(2, 1024, low=-1.0, high=1.0)[:, key]
    mask = inside(du + jitter[0], half[0][key]) * inside(dv + jitter[1], half[1][key]) * keep
    paint(image, 0.45 * np.roll(mask, (1, 1), (0, 1)) * (1 - mask), np.array([30.0, 38.0, 52.0]))
    choice = np.floor(scene.table(1024) * len(colours)).astype(np.int64)[key]
    paint(image, mask, np.take(colours.T, choice, axis=1) * (1 + 0.1 * scene.table(1024, low=-1.0, high=1.0)[key]))


def sense(scene: Scene, image: Array) -> NDArray[np.uint8]:
    """Return uint8 ``[3, S, S]``: what the sensor makes of ``image`` under a random light, haze, blur and noise."""
    image = image + scene.uniform(0.25, 0.7) * (blur(image) - image)
    light = scene.uniform(0.86, 1.16) * (1 + scene.uniform(0.0, 0.05) * smooth(scene, 2))
    tint = scene.table(3, low=0.95, high=1.05)[:, None, None]
    haze = 0.35 * scene.uniform() ** 2
    veil = np.array([96.0, 104.0, 118.0])[:, None, None] * scene.uniform(0.8, 1.25)
    image = image * light * tint * (1 - haze) + veil * haze
    image += scene.uniform(0.6, 2.4) * grain(scene, 3)
    return np.rint(np.clip(image, 0.0, 255.0)).astype(np.uint8)
