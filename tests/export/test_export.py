"""The files of an export answer as the model does, and say what it is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import onnxruntime
import pytest
import rasterio
import torch
import yaml
from safetensors.numpy import load_file

import eurosat_cls
from eurosat_cls import Classifier, map_scene
from eurosat_cls.data import Demo
from eurosat_cls.export.job import export_model
from eurosat_cls.export.options import ExportOptions
from eurosat_cls.scenes.settings import MapOptions
from tests.conftest import REPOSITORY
from tests.export.mlm import SCHEMA
from tests.scenes.products import TRANSFORM

pytestmark = pytest.mark.slow


@pytest.fixture
def model(exports: Path) -> Classifier:
    return eurosat_cls.load(exports / "run")


@pytest.fixture(scope="session")
def patches(cache: Path) -> np.ndarray:
    data = Demo(patches_per_class=20)
    return data.read(data.split.test)


def session(path: Path) -> Any:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_onnx_answers_as_the_model_for_any_number_and_size(
    exports: Path, model: Classifier, patches: np.ndarray
) -> None:
    run = session(exports / "model.onnx").run
    for count, side in ((1, 64), (5, 64), (3, 96)):
        images = np.tile(patches[:count], (1, 1, 2, 2))[..., :side, :side]
        logits, probabilities = run(["logits", "probabilities"], {"image": images})
        with torch.inference_mode():
            np.testing.assert_allclose(logits, model(torch.from_numpy(images)), atol=1e-4)
        np.testing.assert_allclose(probabilities, model.predict(images).probabilities, atol=1e-5)


def test_a_file_knows_classes_bands_unit_and_metrics(exports: Path) -> None:
    card = json.loads(session(exports / "model.onnx").get_modelmeta().custom_metadata_map["eurosat_cls"])
    assert card["settings"]["class_names"] == Demo(patches_per_class=20).class_names
    assert card["settings"]["bands"] == ["B04", "B03", "B02"]
    assert card["wavelengths"] == [664.6, 559.8, 492.4]
    assert (card["resolution"], card["data"]["patch_size"], card["license"]) == (10.0, 64, "MIT")
    assert card["settings"]["unit"]["dtype"] == "uint8"
    assert len(card["checkpoint"]) == 64
    assert "torch" in card["run"]["versions"]


@pytest.mark.parametrize("name", ["model.onnx", "model.pt2", "model.safetensors", "model-qgis.onnx", "model.json"])
def test_no_path_of_this_machine_is_in_a_file(name: str, exports: Path) -> None:
    content = (exports / name).read_bytes()
    for path in (REPOSITORY, Path(torch.__file__).parent, exports.parent, Path.home() / "x"):
        assert str(path).removesuffix("/x").encode() + b"/" not in content
    assert b'stack_trace": "File' not in content


def test_one_file_of_an_opset_that_older_runtimes_read(exports: Path) -> None:
    model = onnx.load(exports / "model.onnx", load_external_data=False)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 21)]
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        "",
        "height",
        "width",
    ]


def test_the_report_keeps_the_proof(exports: Path) -> None:
    report = json.loads((exports / "export.json").read_text())
    assert report["patches"] == "test patches of the run's data"
    for name in ("model.onnx", "model.pt2", "model.safetensors"):
        proof = report["files"][name]
        assert proof["batches"][:3] == [1, 2, 7]
        assert proof["equal classes"] == 1.0
        assert proof["largest difference of logits"] < 1e-3
        assert proof["bytes"] == (exports / name).stat().st_size


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors"])
def test_a_file_loads_and_maps_as_its_run(name: str, exports: Path, patches: np.ndarray) -> None:
    here, there = eurosat_cls.load(exports / name), eurosat_cls.load(exports / "run")
    assert here.predict(patches).names == there.predict(patches).names
    np.testing.assert_allclose(here.predict(patches).probabilities, there.predict(patches).probabilities, atol=1e-5)
    scene = patches[:4].reshape(2, 2, 3, 64, 64).transpose(2, 0, 3, 1, 4).reshape(3, 128, 128)
    options = MapOptions(step=32, views=8)
    maps = [map_scene(path, scene, options=options) for path in (exports / name, exports / "run")]
    assert (maps[0].classes == maps[1].classes).all()
    np.testing.assert_allclose(maps[0].probabilities, maps[1].probabilities, atol=1e-5)


def test_a_program_of_torch_needs_torch_alone(
    exports: Path, model: Classifier, patches: np.ndarray, tmp_path: Path
) -> None:
    np.save("patches.npy", patches[:5])
    code = """if True:
        import sys, json, torch, numpy
        extra = {"mlm-metadata": ""}
        program = torch.export.load(sys.argv[1], extra_files=extra)
        logits, probabilities = program.module()(torch.from_numpy(numpy.load("patches.npy")))
        assert "eurosat_cls" not in sys.modules
        print(json.dumps([probabilities.tolist(), json.loads(extra["mlm-metadata"])]))
    """
    command = [sys.executable, "-W", "ignore", "-c", code, str(exports / "model.pt2")]
    probabilities, said = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    np.testing.assert_allclose(probabilities, model.predict(patches[:5]).probabilities, atol=1e-6)
    assert said["properties"]["input"][0]["bands"] == model.bands


def test_the_item_is_valid_and_read_back(exports: Path, model: Classifier) -> None:
    item = json.loads((exports / "model.json").read_text())
    jsonschema.validate(item, SCHEMA)
    for broken in ("mlm:name", "mlm:input", "bands"):
        less = {**item, "properties": {key: value for key, value in item["properties"].items() if key != broken}}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(less, SCHEMA)
    for asset in item["assets"].values():
        assert (exports / asset["href"]).stat().st_size == asset["file:size"]
    pystac = pytest.importorskip("pystac")
    read = pystac.Item.from_file(str(exports / "model.json"))
    assert set(read.assets) == {"onnx", "pt2", "safetensors", "qgis"}
    classes = read.properties["mlm:output"][1]["classification:classes"]
    assert [each["title"] for each in classes] == model.class_names
    assert read.properties["mlm:total_parameters"] == sum(p.numel() for p in model.encoder.parameters()) + sum(
        p.numel() for p in model.decoder.parameters()
    )


def test_the_folder_for_hubs_has_a_page_with_front_matter(exports: Path) -> None:
    assert {path.name for path in (exports / "hub").iterdir()} == {
        "README.md", "model.onnx", "model.safetensors", "model.json",
    }  # fmt: skip
    page = (exports / "hub" / "README.md").read_text()
    front = yaml.safe_load(page.split("---\n")[1])
    assert (front["license"], front["library_name"]) == ("mit", "eurosat_cls")
    assert "The run has not been tested." in page


def test_geodeep_maps_as_we_do(exports: Path, patches: np.ndarray, tmp_path: Path) -> None:
    metadata = onnx.load(exports / "model-qgis.onnx")
    assert metadata.ir_version <= 9
    assert metadata.opset_import[0].version <= 18
    said = {entry.key: json.loads(entry.value) for entry in metadata.metadata_props}
    assert (said["model_type"], said["resolution"], said["seg_thresh"]) == ("Segmentor", 1000, 0)
    assert said["tile_size"] == said["tiles_size"] == 512
    geodeep = pytest.importorskip("geodeep")
    side = 10
    mosaic = np.take(patches, range(side**2), axis=0, mode="wrap").reshape(side, side, 3, 64, 64)
    mosaic = mosaic.transpose(2, 0, 3, 1, 4).reshape(3, side * 64, side * 64)
    profile = {"driver": "GTiff", "count": 3, "height": side * 64, "width": side * 64, "dtype": "uint8", "tiled": True,
               "crs": "EPSG:32633", "transform": TRANSFORM, "photometric": "RGB"}  # fmt: skip
    with rasterio.open("mosaic.tif", "w", **profile) as file:
        file.write(mosaic)
    folder = map_scene(exports / "run", "mosaic.tif", options=MapOptions(step=64, resolution=10))
    with rasterio.open(folder / "classes.tif") as file:
        ours = file.read(1)
    theirs = geodeep.segment("mosaic.tif", str(exports / "model-qgis.onnx"))
    inner = np.pad(np.ones((56, 56), bool), 4)  # its median filter rounds the corners of cells
    places = np.tile(inner, (side, side))
    assert len(np.unique(ours)) > 1
    assert (theirs == ours)[places].all()


def test_the_example_of_the_docs_runs(exports: Path, patches: np.ndarray) -> None:
    text = (REPOSITORY / "docs" / "export.md").read_text()
    example = next(part for part in text.split("```python\n")[1:] if "onnxruntime" in part).split("```")[0]
    assert len(example.strip().splitlines()) <= 15
    scene = patches[:4].reshape(2, 2, 3, 64, 64).transpose(2, 0, 3, 1, 4).reshape(3, 128, 128)
    with rasterio.open("scene.tif", "w", driver="GTiff", count=3, height=128, width=128, dtype="uint8",
                       crs="EPSG:32633", transform=TRANSFORM) as file:  # fmt: skip
        file.write(scene)
    Path("model.onnx").write_bytes((exports / "model.onnx").read_bytes())
    exec(compile(example, "docs/export.md", "exec"), {})
    expected = eurosat_cls.load(exports / "run").predict(patches[:4]).names
    with rasterio.open("classes.tif") as file:
        names = eurosat_cls.load(exports / "run").class_names
        assert [names[k] for k in file.read(1).flatten()] == expected
        assert file.transform.a == 640


def test_features_and_their_statistics_tell_how_familiar_a_patch_is(
    exports: Path, model: Classifier, patches: np.ndarray, tmp_path: Path
) -> None:
    folder = export_model(exports / "run", ExportOptions(str(tmp_path / "out"), features=True, patches=4))
    (features,) = session(folder / "model.onnx").run(["features"], {"image": patches[:9]})
    known = load_file(folder / "familiarity.safetensors")
    white = (features[:, None] - known["means"]) @ known["whitening"].T
    below = np.searchsorted(known["distances"], (white**2).sum(2).min(1))
    found = (len(known["distances"]) + 1 - below) / (len(known["distances"]) + 1)
    expected = model.predict(patches[:9]).familiarity
    assert expected is not None
    np.testing.assert_allclose(found, expected, atol=0.03)
    assert "familiarity.safetensors" in json.loads((folder / "export.json").read_text())["files"]
    assets = json.loads((folder / "model.json").read_text())["assets"]
    assert {name: each["href"] for name, each in assets.items()} == {
        "onnx": "./model.onnx",
        "familiarity": "./familiarity.safetensors",
    }
    assert assets["familiarity"]["roles"] == ["metadata"]
