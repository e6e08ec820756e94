"""Demo data: ten land covers painted by a procedure, so that everything runs before any real data is at hand.

Each patch is uint8 ``[3, 64, 64]`` in the order red, green, blue (B04, B03, B02), 10 m per pixel, in the manner of a
Sentinel-2 true-colour picture. Nothing in them was measured: an accuracy reached here shows that training works, and
says nothing about satellites. Light, haze, season and surroundings are shared by all classes, so that texture and
shape have to be learnt; some patches are ambiguous on purpose.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from eurosat_cls.data.demo_texture import (
    ASPHALT,
    GREENS,
    MEADOWS,
    SAND,
    SCRUB,
    SHEDS,
    SOIL,
    SOILS,
    TILES,
    WATER,
    WOODS,
    Array,
    Colour,
    Scene,
    blur,
    curve,
    flat,
    fractal,
    grain,
    hillshade,
    inside,
    lattice,
    paint,
    parcels,
    roofs,
    sense,
    smooth,
    turned,
)

VERSION = 1
"""Raised whenever any picture changes, so that stored copies are painted anew."""


def _tiled(scene: Scene, angle: float, cuts: int, palette: Sequence[Colour]) -> tuple[Array, NDArray[np.int64], Array]:
    """Return flat parcels in colours of ``palette`` as an image, with each pixel's parcel and the boundary mask."""
    labels, edge = parcels(scene, angle, cuts)
    colours = np.stack([scene.colour(palette, spread=0.18) for _ in range(cuts + 1)], axis=1)  # [3, parcels]
    return np.take(colours, labels, axis=1), labels, edge


def _rows(scene: Scene, angle: float, labels: NDArray[np.int64], period: tuple[float, float]) -> tuple[Array, Array]:
    """Return waves along and across the rows of each parcel, two textures within -1 and 1."""
    count = int(labels.max()) + 1
    u, v = turned(scene, angle)
    swap = (scene.table(count) < 0.5)[labels]
    pace = (2 * math.pi / scene.table(count, low=period[0], high=period[1]))[labels]
    return np.sin(np.where(swap, v, u) * pace), np.sin(np.where(swap, u, v) * pace)


def _annual_crop(scene: Scene) -> Array:
    """Fields of bare soil and green crops, faint ploughing lines, dark or pale boundaries, at times a farm track."""
    angle = scene.angle()
    palette = [*SOILS, *GREENS] if scene.chance(0.6) else (GREENS if scene.chance(0.25) else SOILS)
    image, labels, edge = _tiled(scene, angle, scene.integer(4, 12), palette)
    lines, _ = _rows(scene, angle, labels, (2.5, 9.0))
    strength = scene.table(int(labels.max()) + 1, low=0.03, high=0.1)[labels]
    image *= 1 + strength * lines + 0.05 * fractal(scene, 3) + 0.015 * grain(scene)
    paint(image, edge * scene.uniform(0.2, 0.8), scene.colour([*WOODS, SAND]))
    if scene.chance(0.15):
        paint(image, inside(curve(scene, 6.0)[0], scene.uniform(0.2, 0.7)), scene.colour([SAND, *ASPHALT]))
    return image


def _forest(scene: Scene) -> Array:
    """Canopy: crowns lit from one side, stands of other species, at times a clearing or a forest track."""
    image = flat(scene.colour(WOODS, spread=0.15))
    paint(image, np.clip(3 * fractal(scene, 2) - 0.8, 0, 0.8), scene.colour(WOODS, spread=0.2))
    crowns = hillshade(scene, blur(grain(scene)))
    image *= 1 + scene.uniform(0.2, 0.45) * crowns + 0.1 * hillshade(scene, fractal(scene, 3, 3))
    if scene.chance(0.3):
        clearing = np.clip(8 * (fractal(scene, 3, 3) - scene.uniform(0.5, 0.9)), 0, 1)
        paint(image, clearing, scene.colour([*MEADOWS, SOIL, *SCRUB]))
    if scene.chance(0.2):
        paint(image, 0.6 * inside(curve(scene, 14.0)[0], 0.4), scene.colour([SOIL, *SCRUB]))
    return image


def _herbaceous(scene: Scene) -> Array:
    """Uneven scrub and dry grass on a relief, with bare ground, dark shrubs and winding paths."""
    image = flat(scene.colour(SCRUB, spread=0.2))
    paint(image, np.clip(2 * fractal(scene, 2, 5), 0, 0.8), scene.colour([*SCRUB, *MEADOWS, *SOILS]))
    image *= 1 + scene.uniform(0.6, 1.6) * hillshade(scene, fractal(scene, 3, 5)) + 0.08 * fractal(scene, 8, 3)
    shrubs = np.clip(4 * (blur(grain(scene)) - scene.uniform(0.4, 1.0)), 0, 1)
    paint(image, shrubs * scene.uniform(0.2, 0.7), scene.colour(WOODS))
    for _ in range(scene.integer(0, 3)):
        paint(image, 0.6 * inside(curve(scene, 24.0)[0], scene.uniform(0.0, 0.3)), scene.colour([SAND, SOIL]))
    return image


def _pasture(scene: Scene) -> Array:
    """Smooth meadows between broken hedges, with single trees and cow tracks, at times one ploughed field."""
    image, labels, edge = _tiled(scene, scene.angle(), scene.integer(1, 8), MEADOWS)
    if scene.chance(0.18):
        paint(image, (labels == labels.max()) * 0.9, scene.colour(SOILS))
    image *= 1 + 0.08 * fractal(scene, 2, 3) + 0.012 * grain(scene)
    hedge = np.clip(1.8 * blur(edge), 0, 1) * np.clip(0.8 + 1.5 * smooth(scene, 10), 0, 1)
    paint(image, hedge * scene.uniform(0.6, 1.0), scene.colour(WOODS))
    trees = np.clip(6 * (blur(grain(scene)) - 0.85), 0, 1) * np.clip(0.4 + 1.5 * smooth(scene, 3), 0, 1)
    paint(image, np.clip(1.6 * blur(trees), 0, 1), scene.colour(WOODS))
    for _ in range(scene.integer(0, 2)):
        paint(image, 0.4 * inside(curve(scene, 20.0)[0], 0.1), scene.colour([SAND, SOIL]))
    return image


def _permanent_crop(scene: Scene) -> Array:
    """Small plots of vines in rows or of trees in a grid on pale soil, parted by tracks."""
    angle = scene.angle()
    image, labels, edge = _tiled(scene, angle, scene.integer(3, 12), [*SOILS, *SOILS, *SCRUB])
    along, across = _rows(scene, angle, labels, (2.8, 5.2))
    orchard = (scene.table(int(labels.max()) + 1) < 0.4)[labels]
    plants = np.clip(0.5 + np.where(orchard, along * across * 1.5 - 0.2, along * 0.8), 0, 1)
    cover = scene.table(int(labels.max()) + 1, low=0.3, high=0.85)[labels]
    paint(image, plants * cover, scene.colour([*WOODS, *GREENS]))
    image *= 1 + 0.08 * fractal(scene, 4) + 0.02 * grain(scene)
    paint(image, edge * scene.uniform(0.2, 0.9), scene.colour([SAND, SOIL, *GREENS]))
    return image


def _residential(scene: Scene) -> Array:
    """Many small roofs with gardens and trees in blocks of a bent street grid."""
    u, v = turned(scene, scene.angle())
    v = v + scene.uniform(-0.006, 0.006) * u**2 + 1.5 * smooth(scene, 2)
    image = flat(scene.colour([*MEADOWS, *SCRUB]))
    image *= 1 + 0.14 * grain(scene) + 0.1 * fractal(scene, 4)
    paint(image, np.clip(1.5 * blur(grain(scene)) - 0.3, 0, 0.8), scene.colour(WOODS))
    _, block_u, block_v = blocks = lattice(u, v, scene.uniform(14, 30), scene.uniform(8, 15))
    street_u, street_v = np.abs(block_u) - np.abs(block_u).max(), np.abs(block_v) - np.abs(block_v).max()
    street = np.maximum(inside(street_u, scene.uniform(0.4, 1.0)), inside(street_v, scene.uniform(0.4, 1.0)))
    park = (scene.table(1024) < scene.uniform(0.0, 0.25))[blocks[0]]
    house = scene.uniform(2.8, 4.4)
    half = scene.table(2, 1024, low=0.1, high=0.33) * house
    colours = np.stack([scene.colour(TILES, spread=0.2) for _ in range(5)])
    houses = lattice(u, v, house, house * scene.uniform(0.8, 1.2))
    roofs(scene, image, houses, half, colours, np.where(park, 0.0, 1.0))
    paint(image, street * scene.uniform(0.5, 1.0), scene.colour(ASPHALT))
    return image


def _industrial(scene: Scene) -> Array:
    """Large bright roofs among yards and car parks, with smaller sheds between them."""
    u, v = turned(scene, scene.angle())
    image = flat(scene.colour([*ASPHALT, *SCRUB], spread=0.2))
    paint(image, np.clip(4 * fractal(scene, 3) - scene.uniform(-0.2, 1.4), 0, 0.9), scene.colour([*MEADOWS, *SOILS]))
    image *= 1 + 0.12 * grain(scene)
    colours = np.stack([scene.colour(SHEDS, spread=0.15) for _ in range(4)])
    for pitch, share in ((scene.uniform(5, 8), 0.4), (scene.uniform(11, 24), scene.uniform(0.55, 0.9))):
        grid = lattice(u, v, pitch, 0.8 * pitch)
        half = scene.table(2, 1024, low=0.18, high=0.46) * pitch * np.array([[1.0], [0.8]])
        built = np.where((scene.table(1024) < share)[grid[0]], 1.0, 0.0)
        roofs(scene, image, grid, half, colours, built)
    if scene.chance(0.25):
        paint(image, inside(curve(scene, 4.0)[0], scene.uniform(0.5, 1.2)), scene.colour(ASPHALT))
    return image


_COUNTRY: Sequence[Callable[[Scene], Array]] = (_annual_crop, _annual_crop, _pasture, _forest, _herbaceous)


def _background(scene: Scene, painters: Sequence[Callable[[Scene], Array]]) -> Array:
    """Return the image of one of ``painters``, drawn with equal chances."""
    return painters[scene.integer(0, len(painters) - 1)](scene)


def _highway(scene: Scene) -> Array:
    """A road, straight or bent, through country or town; at times with a crossing road or a slip road."""
    image = _background(scene, (*_COUNTRY, *_COUNTRY, _residential, _industrial))
    verge, asphalt = scene.colour([*MEADOWS, *WOODS, SOIL]), scene.colour(ASPHALT)
    width = scene.uniform(1.4, 3.2)
    distance, _ = curve(scene, 8.0, reach=14.0)
    roads = [inside(distance, width)]
    paint(image, inside(distance, width + scene.uniform(1.0, 4.0)) * 0.9, verge)
    if scene.chance(0.4):
        roads.append(inside(curve(scene, 6.0, reach=16.0)[0], width * scene.uniform(0.5, 1.0)))
    if scene.chance(0.35):
        x, y = turned(scene, 0.0, reach=20.0)
        loop = inside(np.sqrt(x**2 + y**2) - scene.uniform(7, 18), 0.7)
        roads.append(loop * (distance * scene.uniform(-1, 1) > 0))
    for road in roads:
        paint(image, road * 0.95, asphalt)
    if width > 1.8:
        paint(image, inside(distance, 0.1), verge)
    return image


def _river(scene: Scene) -> Array:
    """A winding band of water through fields, meadows, forest or scrub, with wooded or sandy banks."""
    image = _background(scene, _COUNTRY)
    distance, along = curve(scene, 26.0, reach=14.0)
    width = scene.uniform(3.0, 14.0) + 0.8 * np.sin(along * 0.15) + 0.6 * smooth(scene, 6)
    bank = width + scene.uniform(0.3, 4.0) * np.clip(0.6 + smooth(scene, 5), 0, 1.5)
    paint(image, inside(distance, bank) * 0.85, scene.colour([*WOODS, *WOODS, SAND]))
    paint(image, inside(distance, width), scene.colour(WATER)[:, None, None] * (1 + 0.04 * fractal(scene)))
    return image


def _sea_lake(scene: Scene) -> Array:
    """Open water with a gradient and faint waves; at times a shore with its beach, or a shoal."""
    water = scene.colour(WATER, spread=0.15)[:, None, None]
    u, v = turned(scene, scene.angle())
    waves = np.sin(u * scene.uniform(0.3, 1.6) + 1.5 * smooth(scene, 4)) * scene.uniform(0.0, 0.02)
    image = water * (1 + waves + scene.uniform(-0.004, 0.004) * v + scene.uniform(0.0, 0.1) * fractal(scene, 2))
    if scene.chance(0.3):
        depth, _ = curve(scene, 16.0, reach=2.0)
        depth = depth + scene.uniform(12, 30) + 3 * fractal(scene, 4)
        land = np.clip(0.5 - depth, 0, 1)
        paint(image, np.clip(1 - depth / scene.uniform(2, 14), 0, 0.5), scene.colour([SAND, (96, 132, 128)]))
        paint(image, np.clip(scene.uniform(0.5, 2.5) - depth, 0, 1), scene.colour([SAND, SOIL, *SCRUB]))
        paint(image, land, _background(scene, (*_COUNTRY, _residential)))
    return image


_PAINTERS: dict[str, Callable[[Scene], Array]] = {
    "DemoAnnualCrop": _annual_crop,
    "DemoForest": _forest,
    "DemoHerbaceousVegetation": _herbaceous,
    "DemoHighway": _highway,
    "DemoIndustrial": _industrial,
    "DemoPasture": _pasture,
    "DemoPermanentCrop": _permanent_crop,
    "DemoResidential": _residential,
    "DemoRiver": _river,
    "DemoSeaLake": _sea_lake,
}
CLASS_NAMES = list(_PAINTERS)


def generate(class_index: int, number: int, seed: int) -> NDArray[np.uint8]:
    """Paint one demo patch, the same on every machine: uint8 ``[3, 64, 64]`` in red, green and blue.

    Raises:
        ValueError: if there is no such class, or if ``number`` or ``seed`` is negative.
    """
    if not 0 <= class_index < len(CLASS_NAMES):
        raise ValueError(f"demo class {class_index} does not exist: choose 0 to {len(CLASS_NAMES) - 1}")
    if number < 0 or seed < 0:
        raise ValueError(f"demo patch number {number} with seed {seed}: both must be 0 or more")
    scene = Scene(seed, class_index, number)
    return sense(scene, _PAINTERS[CLASS_NAMES[class_index]](scene))
