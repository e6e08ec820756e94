"""What a map can have besides: polygons, a comparison, the dense method."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.features import rasterize

from eurosat_cls import UserError, map_scene
from eurosat_cls.encoders import Encoder, ResNet
from eurosat_cls.scenes.dense import Dense, geometry_of, rows_together
from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.network import Network
from eurosat_cls.scenes.reference import adjusted_accuracy, compare, read_legend
from eurosat_cls.scenes.settings import MapOptions
from eurosat_cls.scenes.strips import Strip
from tests.scenes.maps import NAMES, pixels, small_model, write_scene
from tests.scenes.products import TRANSFORM


@pytest.mark.slow
def test_polygons_are_the_classes(tmp_path: Path) -> None:
    pyogrio = pytest.importorskip("pyogrio")
    shapely = pytest.importorskip("shapely")
    scene = write_scene(tmp_path / "scene.tif", pixels(100, 130))
    folder = map_scene(small_model(), scene, tmp_path, options=MapOptions(window=32, step=16, polygons=0))
    meta, _, geometry, (values, names, hectares) = pyogrio.raw.read(folder / "classes.gpkg")
    assert "32633" in meta["crs"]
    shapes = shapely.from_wkb(geometry)
    with rasterio.open(folder / "classes.tif") as dataset:
        fine = dataset.read(1).repeat(16, 0).repeat(16, 1)[:100, :130]
    drawn = rasterize(zip(shapes, values), (100, 130), 255, transform=TRANSFORM, dtype="uint8")
    assert (drawn == fine).all()
    assert [NAMES[value] for value in values] == list(names)
    assert hectares.sum() == pytest.approx(100 * 130 / 100)
    assert shapely.area(shapes) / 1e4 == pytest.approx(hectares)
    large = map_scene(small_model(), scene, tmp_path, options=MapOptions(window=32, step=16, polygons=20))
    kept = pyogrio.raw.read(large / "classes.gpkg")[3][2]
    assert sorted(kept) == sorted(hectares[hectares >= 20])


def test_accuracies_are_those_of_the_papers_example() -> None:
    # Olofsson et al. 2014, tables 8 and 9: deforestation, forest gain, stable forest, stable non-forest.
    counts = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
    mapped = np.array([200_000.0, 150_000, 3_200_000, 6_450_000]) * 0.09
    found = adjusted_accuracy(counts, mapped)
    assert found.overall == pytest.approx((0.95, 0.02), abs=0.005)
    assert found.user[0] == pytest.approx([0.88, 0.73, 0.93, 0.96], abs=0.005)
    assert found.user[1] == pytest.approx([0.07, 0.10, 0.04, 0.02], abs=0.005)
    assert found.producer[0] == pytest.approx([0.75, 0.85, 0.93, 0.96], abs=0.005)
    assert found.areas[0] == pytest.approx([21_158, 11_686, 285_770, 581_386], abs=600)
    assert found.areas[1] == pytest.approx([6_158, 3_756, 15_510, 16_282], abs=60)


@pytest.mark.slow
def test_intervals_are_as_wide_as_estimates_scatter() -> None:
    rng = np.random.default_rng(0)
    mapped = np.array([500.0, 1500, 8000])
    shares = np.array([[0.8, 0.15, 0.05], [0.05, 0.85, 0.1], [0.01, 0.04, 0.95]])
    drawn = [
        adjusted_accuracy(np.stack([rng.multinomial(n, p) for n, p in zip((100, 150, 400), shares)]), mapped)
        for _ in range(3000)
    ]
    for name in ("overall", "user", "producer", "areas"):
        values = np.array([getattr(found, name)[0] for found in drawn])
        widths = np.array([getattr(found, name)[1] for found in drawn])
        assert widths.mean(axis=0) / 1.96 == pytest.approx(values.std(axis=0), rel=0.06), name


def test_a_reference_is_compared_pixel_by_pixel(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", pixels(96, 96))
    truth = np.random.default_rng(0).integers(0, 5, (1, 96, 96)).astype(np.uint8)
    reference = write_scene(tmp_path / "truth.tif", truth, bands=["truth"])
    legend = tmp_path / "legend.yaml"
    legend.write_text("1: Forest\nRiver: [2, 3]\n")
    options = MapOptions(window=32, step=32, reference=str(reference), legend=str(legend))
    folder = map_scene(small_model(), scene, tmp_path, options=options)
    with rasterio.open(folder / "classes.tif") as dataset:
        mapped = dataset.read(1).repeat(32, 0).repeat(32, 1)
    counts = compare(folder / "classes.tif", reference, read_legend(legend, NAMES), NAMES)
    meaning = {1: 0, 2: 1, 3: 1}
    for row, column in itertools.product(range(3), range(3)):
        values = [value for value, k in meaning.items() if k == column]
        assert counts[row, column] == ((mapped == row) & np.isin(truth[0], values)).sum()
    lines = (folder / "reference.csv").read_text().splitlines()
    assert lines[1].startswith(f"Forest,{counts[0, 0]},{counts[0, 1]},0,")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "must say"), ("[1]", "must say"), ("1: Ocean", "no class"), ("Forest: x", "no value"),
     ("Forest: [1]\nRiver: [1]", "both"), ("a: [", "cannot be read")],
)  # fmt: skip
def test_wrong_legends_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "legend.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_legend(tmp_path / "legend.yaml", NAMES)


def test_the_receptive_field_is_found() -> None:
    # stem 3x3 stride 2, block 3x3 3x3, block 3x3 stride 2, 3x3: 3 + 2 * (2 + 2) + 2 * 2 + 4 * 2 = 23 pixels
    assert geometry_of(small_model(), 32) == (4, 12)


def test_dense_sees_what_windows_see_where_nothing_is_cut_off() -> None:
    # Without padding in the way: patches of one colour, where the surroundings of a window are like the window.
    model = small_model()
    values = np.repeat(np.repeat(np.array([60, 150], np.uint8)[None, None], 96, 1), 128, 2)
    values = np.broadcast_to(values, (3, 96, 256)).copy()
    layout = Layout(96, 256, 32, 16, 20, rows_together(16))
    network, geometry = Network(model, layout.batch), geometry_of(model, 32)
    trusted = np.ones(layout.shape, bool)
    valid = np.ones((96, 256), bool)
    found = Dense(network, layout, geometry)(Strip((0, 1), 0, values, valid, valid), trusted)
    with torch.inference_mode():
        features = model.encoder.forward_map(model.normalize(torch.from_numpy(values[None])))
        pooled = features[:, :, 4:12, 8:16].mean((2, 3))
        expected = model.postprocessing.probabilities(model.decoder(pooled))[0].numpy()
    np.testing.assert_allclose(found[1, 2], expected, atol=1e-5)


@pytest.mark.slow
def test_dense_maps_do_not_depend_on_how_much_is_read_at_once(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", pixels(1300, 140))
    found = [
        map_scene(small_model(), scene, tmp_path / str(rows),
                  options=MapOptions(window=32, step=8, method="dense", strip_rows=rows))
        for rows in (40, 1200)
    ]  # fmt: skip
    for name in ("classes.tif", "probabilities.tif"):
        assert (found[0] / name).read_bytes() == (found[1] / name).read_bytes()


class WholeWindow(ResNet):
    """Features that depend on the whole image."""

    def forward_map(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward_map(x) * x.mean()


class Pooled(ResNet):
    """Features that are not the mean of the map."""

    def pool(self, feature_map: torch.Tensor) -> torch.Tensor:
        return feature_map.amax(dim=(2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [WholeWindow, Pooled])
def test_dense_is_refused_where_it_is_another_function(kind: type[Encoder]) -> None:
    model = small_model()
    model.encoder = kind(3, (8, 16), (1, 1))  # type: ignore[call-arg]
    with pytest.raises(UserError, match="--method dense needs a convolutional encoder"):
        geometry_of(model.eval(), 32)
