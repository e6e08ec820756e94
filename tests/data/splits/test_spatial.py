"""The spatial split: nothing close to each other in two parts, and the same everywhere."""

import logging
import re
import sys
import zipfile
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from eurosat_cls.data.files.tiff import decode_tiff
from eurosat_cls.data.patch import BoundingBox
from eurosat_cls.data.splits import SpatialSplit, Split, check_classes, earth
from eurosat_cls.data.splits.earth import locate, near
from eurosat_cls.data.store.store import Store
from eurosat_cls.utils.errors import UserError
from tests.conftest import REAL_ZIP
from tests.data.helpers import CLASS_NAMES
from tests.data.splits.helpers import eurosat_store, make_store, members, multilabel_store, shuffled

pyproj = pytest.importorskip("pyproj")
REAL_TIFFS = REAL_ZIP.with_name("EuroSATallBands-369.zip")
SIDE = 640.0  # metres


def square(epsg: int, x: float, y: float) -> BoundingBox:
    return BoundingBox(epsg, x, y, x + SIDE, y + SIDE)


def clustered(count: int, spread_m: float = 8000, clusters: int = 40, seed: int = 0) -> list[BoundingBox]:
    """Patches on 10 m grids around some towns in UTM zones 30 to 35."""
    rng = np.random.default_rng(seed)
    towns = [(32600 + rng.integers(30, 36), *rng.uniform((3e5, 4.3e6), (7e5, 6.5e6))) for _ in range(clusters)]
    shifts = (rng.normal(0, spread_m, (count, 2)) / 10).round() * 10
    return [
        square(int(epsg), x + dx, y + dy)
        for (epsg, x, y), (dx, dy) in zip([towns[n % clusters] for n in range(count)], shifts.tolist())
    ]


def lattice() -> list[BoundingBox]:
    """The same ground around 6 degrees east, tiled twice: patch beside patch in zone 31, and again in zone 32."""
    steps = [(SIDE * i, SIDE * j) for i in range(-10, 10) for j in range(-6, 6)]
    places = []
    for epsg in (32631, 32632):
        x, y = pyproj.Transformer.from_crs(4326, epsg, always_xy=True).transform(6.0, 48.5)
        places += [square(epsg, x + dx, y + dy) for dx, dy in steps]
    return places


def spatial_store(places: Sequence[BoundingBox], seed: int = 0) -> Store:
    """A store of these places with labels drawn at random."""
    labels = np.random.default_rng(seed).integers(0, 4, len(places))
    files = [f"{CLASS_NAMES[label]}/{CLASS_NAMES[label]}_{n}.tif" for n, label in enumerate(labels)]
    return make_store(files, labels, places, CLASS_NAMES[:4])


def real_store() -> Store:
    """The real patches, with the places that their files give."""
    with zipfile.ZipFile(REAL_TIFFS) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".tif"))
        places = [decode_tiff(archive.read(name)).place for name in names]
    files = ["/".join(name.split("/")[-2:]) for name in names]
    return make_store(files, np.array([CLASS_NAMES.index(file.split("/")[0]) for file in files]), places)


def outlines(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude ``[N, 9]`` of each patch's centre, corners and middles of sides."""
    lon, lat = np.empty((len(store.places), 9)), np.empty((len(store.places), 9))
    for row, place in enumerate(store.places):
        assert place is not None
        x = np.array([0, 0, 0, 1, 1, 2, 2, 2, 1]) / 2 * (place.right - place.left) + place.left
        y = np.array([0, 1, 2, 0, 2, 0, 1, 2, 1]) / 2 * (place.top - place.bottom) + place.bottom
        lon[row], lat[row] = pyproj.Transformer.from_crs(place.epsg, 4326, always_xy=True).transform(x, y)
    return lon, lat


def smallest_gap(store: Store, split: Split) -> float:
    """Metres along the ground between the outlines of the two closest patches of different parts, by trying all."""
    geod, (lon, lat) = pyproj.Geod(ellps="WGS84"), outlines(store)
    smallest = np.inf
    for one, other in combinations(split.parts().values(), 2):
        a, b = np.repeat(one, len(other)), np.tile(other, len(one))
        centres = geod.inv(lon[a, 8], lat[a, 8], lon[b, 8], lat[b, 8])[2]
        close = centres < centres.min() + 2 * SIDE  # no other pair can have the closest outlines
        i, j = np.repeat(np.arange(9), 9), np.tile(np.arange(9), 9)
        a, b = a[close, None], b[close, None]
        smallest = min(smallest, geod.inv(lon[a, i], lat[a, i], lon[b, j], lat[b, j])[2].min())
    return float(smallest)


CASES = {"clusters": clustered(400), "lattice in two zones": lattice()}


@pytest.mark.slow
@pytest.mark.parametrize("by", ["blocks", "longitude"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("buffer_m", [0.0, 500.0, 1500.0])
def test_no_two_parts_come_closer_than_the_buffer(name: str, by: str, buffer_m: float) -> None:
    store = spatial_store(CASES[name])
    split = SpatialSplit((0.5, 0.25, 0.25), by=by, block_km=5, buffer_m=buffer_m).divide(store)  # type: ignore[arg-type]
    check_classes(split, store.labels, store.class_names)
    rows = np.concatenate(list(split.parts().values()))
    assert len(np.unique(rows)) == len(rows)
    assert smallest_gap(store, split) > buffer_m


def test_only_what_is_close_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    store = spatial_store(CASES["clusters"])
    split = SpatialSplit(block_km=5, buffer_m=1500).divide(store)
    lon, lat = outlines(store)
    geod = pyproj.Geod(ellps="WGS84")
    left_out = sorted(set(range(len(store.files))) - set(np.concatenate(list(split.parts().values())).tolist()))
    assert left_out
    assert f"{len(left_out)} of " in caplog.text
    assert "within 1500 m of another part" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    held_out = np.concatenate([split.val, split.test])
    for row in left_out:
        others = np.full(len(held_out), row)
        distance = geod.inv(lon[others, 8], lat[others, 8], lon[held_out, 8], lat[held_out, 8])[2].min()
        assert distance < 1500 + SIDE * 2**0.5 + 5


def test_what_is_far_apart_is_not_close(caplog: pytest.LogCaptureFixture) -> None:
    store = spatial_store([square(32632, 3e5 + 30_000 * (n % 15), 5e6 + 30_000 * (n // 15)) for n in range(225)])
    split = SpatialSplit().divide(store)
    assert sum(map(len, split.parts().values())) == 225
    assert not caplog.records


@pytest.mark.parametrize("fractions", [(0.6, 0.2, 0.2), (0.8, 0.1, 0.1), (0.3, 0.3, 0.3)])
def test_each_class_comes_close_to_the_fractions(fractions: tuple[float, float, float]) -> None:
    store = spatial_store(clustered(2000, spread_m=40_000))
    for seed in range(3):
        split = SpatialSplit(fractions, buffer_m=0, block_km=10, seed=seed).divide(store)
        for rows, fraction in zip(split.parts().values(), fractions, strict=True):
            shares = np.bincount(store.labels[rows]) / np.bincount(store.labels)
            np.testing.assert_allclose(shares, fraction, atol=0.03)


def test_labels_of_multilabel_patches_are_shared_out_too() -> None:
    many = multilabel_store(1000)
    store = make_store(many.files, many.labels, clustered(1000, spread_m=40_000), many.class_names)
    split = SpatialSplit(buffer_m=0, block_km=10).divide(store)
    check_classes(split, store.labels, store.class_names)
    for rows, fraction in zip(split.parts().values(), (0.6, 0.2, 0.2), strict=True):
        np.testing.assert_allclose(store.labels[rows].sum(0) / store.labels.sum(0), fraction, atol=0.06)
        np.testing.assert_allclose(
            (~store.labels[rows].any(1)).sum() / (~store.labels.any(1)).sum(), fraction, atol=0.03
        )


@pytest.mark.parametrize("by", ["blocks", "longitude"])
def test_the_files_order_does_not_matter(by: str) -> None:
    store = spatial_store(CASES["clusters"])
    split = SpatialSplit(by=by, block_km=5).divide(store)  # type: ignore[arg-type]
    assert split.method == "spatial"
    for seed in range(3):
        mixed = shuffled(store, seed)
        other = SpatialSplit(by=by, block_km=5).divide(mixed)  # type: ignore[arg-type]
        assert members(other, mixed.files) == members(split, store.files)
        assert other.sha256 == split.sha256


def test_the_split_is_this_one_on_every_machine() -> None:
    places = [square(32631 + n % 2, 3e5 + 3000 * (n % 17), 5e6 + 7000 * (n % 13)) for n in range(200)]
    store = make_store([f"p{n}.tif" for n in range(200)], np.arange(200) * 7 % 4, places, CLASS_NAMES[:4])
    assert SpatialSplit().divide(store).sha256[:16] == "de49c73cc13e7e9c"
    assert SpatialSplit(by="longitude").divide(store).sha256[:16] == "f712a9ff9f2a884b"
    assert len({SpatialSplit(seed=seed).divide(store).sha256 for seed in range(5)}) == 5


def test_longitude_goes_from_west_to_east(caplog: pytest.LogCaptureFixture) -> None:
    store = spatial_store(clustered(600))
    split = SpatialSplit(by="longitude", buffer_m=0).divide(store)
    assert not [record for record in caplog.records if "no effect" in record.message]
    east = locate([place for place in store.places if place], store.files).longitude
    assert east[split.train].max() < east[split.val].min()
    assert east[split.val].max() < east[split.test].min()
    assert [len(rows) for rows in split.parts().values()] == pytest.approx([360, 120, 120], abs=3)
    SpatialSplit(by="longitude", seed=3).divide(store)
    assert "block_km and seed have no effect on a split by longitude" in caplog.text


@pytest.mark.parametrize("distance", [0.0, 700.0, 1e5, 3e7])
def test_nearness_agrees_with_trying_all_pairs(distance: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earth, "_CHUNK", 7)
    places = clustered(900)
    positions = locate(places, [str(n) for n in range(900)])
    rows, others = np.arange(0, 900, 2), np.arange(1, 900, 2)
    gaps = np.linalg.norm(positions.xyz[rows, None] - positions.xyz[others], axis=-1)
    expected = (gaps <= distance + positions.radius[rows, None] + positions.radius[others]).any(1)
    np.testing.assert_array_equal(near(positions, rows, others, distance), expected)
    assert not near(positions, rows, others[:0], distance).any()


def test_positions_are_those_of_the_ellipsoid() -> None:
    positions = locate([square(32632, 5e5, 5e6), BoundingBox(4326, 9.0, 45.0, 9.01, 45.01)], ["a", "b"])
    expected = pyproj.Transformer.from_crs(4979, 4978, always_xy=True).transform(
        positions.longitude, positions.latitude, np.zeros(2)
    )
    np.testing.assert_allclose(positions.xyz.T, expected, atol=1e-6)
    assert positions.radius[0] == pytest.approx(SIDE / 2**0.5, rel=1e-3)  # UTM's scale is 0.9996 at 9 degrees east
    assert positions.radius[1] == pytest.approx(681, rel=0.01)


def test_a_full_set_is_divided() -> None:
    store = spatial_store(clustered(27_000, spread_m=20_000, clusters=250))
    assert len(SpatialSplit().divide(store).train) > 15_000


# --- what cannot be divided -------------------------------------------------------------------------------------


def test_files_without_coordinates_are_told_with_the_ways_out() -> None:
    with pytest.raises(UserError) as caught:
        SpatialSplit().divide(eurosat_store(5))
    why, ways_out = str(caught.value).splitlines()
    assert "some.zip lacks: JPEG and PNG files carry none" in why
    assert "official-spatial" in ways_out
    assert "13-band" in ways_out


def test_some_patches_without_a_place_are_named() -> None:
    places: list[BoundingBox | None] = list(clustered(20))
    places[3] = places[7] = None
    store = make_store([f"p{n}.tif" for n in range(20)], np.arange(20) % 2, places, ["a", "b"])
    with pytest.raises(UserError, match=r"2 have none: p3\.tif, p7\.tif; take these files out"):
        SpatialSplit().divide(store)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (BoundingBox(32700 + 99, 0, 0, 1, 1), r"b\.tif: its coordinate reference system EPSG:32799 is unknown"),
        (BoundingBox(32632, 1e12, 0, 2e12, 1), r"1 patches lie nowhere on Earth, such as b\.tif \(32632, "),
        (BoundingBox(4326, 10, 95, 11, 96), r"1 patches lie nowhere on Earth"),
        (BoundingBox(32632, float("nan"), 0, 1, 1), r"1 patches lie nowhere on Earth"),
    ],
)
def test_a_place_that_is_none_is_told_with_its_file(place: BoundingBox, message: str) -> None:
    with pytest.raises(UserError, match=message):
        locate([square(32632, 5e5, 5e6), place], ["a.tif", "b.tif"])


def test_without_pyproj_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyproj", None)
    with pytest.raises(UserError, match=re.escape("pip install 'eurosat-cls[geo]'")):
        SpatialSplit().divide(spatial_store(clustered(20)))


def test_too_few_places_are_told_with_what_to_try() -> None:
    store = spatial_store([square(32632, 5e5 + SIDE * n, 5e6) for n in range(20)])
    with pytest.raises(UserError, match=r"the spatial split leaves no patch in .*; try .*smaller blocks \(block_km\)"):
        SpatialSplit().divide(store)
    rare = make_store(["a/0.tif", *store.files], np.array([1, *[0] * 20]), clustered(21), ["common", "rare"])
    with pytest.raises(UserError, match=r"no patch of class rare; try .*another seed"):
        check_classes(SpatialSplit(block_km=5).divide(rare), rare.labels, rare.class_names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fractions": (0.6, float("nan"), 0.2)}, "split fractions are"),
        ({"by": "latitude"}, "'blocks' or 'longitude', not 'latitude'"),
        ({"block_km": 0.0}, "block_km of a spatial split is 0.0"),
        ({"block_km": float("nan")}, "block_km of a spatial split is nan"),
        ({"block_km": float("inf")}, "block_km of a spatial split is inf"),
        ({"buffer_m": -1.0}, "buffer_m of a spatial split is -1.0"),
        ({"buffer_m": float("nan")}, "buffer_m of a spatial split is nan"),
    ],
)
def test_bad_values_are_told_at_once(settings: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SpatialSplit(**settings)  # type: ignore[arg-type]


# --- the real patches -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.skipif(not REAL_TIFFS.exists(), reason="the real archive is not here")
def test_the_real_patches_are_divided_with_every_class_in_every_part() -> None:
    store = real_store()
    split = SpatialSplit().divide(store)
    assert split.sha256.startswith("e3f6bb78")
    assert [len(rows) for rows in split.parts().values()] == [220, 74, 74]
    for rows, fraction in zip(split.parts().values(), (0.6, 0.2, 0.2), strict=True):
        np.testing.assert_allclose(np.bincount(store.labels[rows]) / np.bincount(store.labels), fraction, atol=0.04)
    assert smallest_gap(store, split) > 1000
    wide = SpatialSplit(buffer_m=20_000).divide(store)
    assert smallest_gap(store, wide) > 20_000
    check_classes(wide, store.labels, store.class_names)
