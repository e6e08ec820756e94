"""A mosaic of patches is mapped as ``predict`` names the patches, whatever file it is in."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from eurosat_cls import map_scene
from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.data.unit import Unit
from eurosat_cls.scenes.settings import MapOptions
from tests.scenes.maps import pixels, small_model
from tests.scenes.products import random_bands, write_product, write_scene, zipped

STEP = MapOptions(step=64)


def test_a_mosaic_gets_the_classes_of_its_patches() -> None:
    model = small_model()
    patches = np.stack([pixels(64, 64, seed) for seed in range(35)])
    mosaic = patches.reshape(5, 7, 3, 64, 64).transpose(2, 0, 3, 1, 4).reshape(3, 320, 448)
    found = map_scene(model, mosaic, options=STEP)
    expected = model.predict(patches)
    assert [model.class_names[k] for k in found.classes.ravel()] == expected.names
    assert len(set(expected.names)) > 1
    np.testing.assert_allclose(found.probabilities.reshape(3, -1).T, expected.probabilities, atol=1e-5)


@pytest.mark.slow
def test_every_kind_of_file_gives_the_same_map(tmp_path: Path) -> None:
    bands = random_bands(192, 240)
    products = {
        "old": write_product(tmp_path / "old", bands, baseline="02.06"),
        "new": write_product(tmp_path / "new", bands, baseline="05.09", offset=-1000),
    }
    (tmp_path / "zip").mkdir()
    products["zip"] = zipped(products["new"], tmp_path / "zip" / products["new"].with_suffix(".zip").name)
    files = dict(products)
    files["tif"] = write_scene(tmp_path / "scene.tif", bands)
    files["cog"] = tmp_path / "cog.tif"
    rasterio.shutil.copy(files["tif"], files["cog"], driver="COG")
    files["vrt"] = tmp_path / "scene.vrt"
    rasterio.shutil.copy(files["tif"], files["vrt"], driver="VRT")
    rgb = small_model(unit=Unit("uint8", True, (0, 2750), "L1C").plain())
    folders = [map_scene(rgb, path, tmp_path / "rgb" / kind, options=STEP) for kind, path in files.items()]
    with rasterio.open(folders[0] / "probabilities.tif") as dataset:
        assert dataset.read(1).std() > 0.01
    for name in ("classes.tif", "probabilities.tif"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1
    unit = Unit("uint16", True, None, "L1C").plain()
    every = small_model(bands=BANDS, unit=unit, mean=[1200] * 13, std=[900] * 13)
    folders = [map_scene(every, path, tmp_path / "all bands" / kind, options=STEP) for kind, path in products.items()]
    for name in ("classes.tif", "probabilities.tif"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1
