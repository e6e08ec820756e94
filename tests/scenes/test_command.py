"""The command ``map``."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from eurosat_cls import UserError
from eurosat_cls.scenes.many import Shard, shard_of
from tests.conftest import exit_code
from tests.scenes.maps import NAMES, pixels, save, small_model, write_scene

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``map`` with a small model; return its exit code and all that it printed."""
    model = save(small_model(), tmp_path / "model.ckpt")

    def run(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = exit_code(["map", str(model), *map(str, arguments), "--out", str(tmp_path / "maps"), "--window", "32"])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(command: Command, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", pixels(100, 130))
    code, printed = command(scene, "--dry_run")
    assert code == 0
    assert re.search(r"scene: 130 x 100 pixels, bands B04, B03, B02, 48 windows of 32 pixels every 16; about", printed)
    assert re.search(r"[\d.]+ GB of memory, \d+ MB of disk", printed)
    assert "clouds get a class" in printed
    assert not (tmp_path / "maps").exists()


def test_a_finished_map_is_skipped(command: Command, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", pixels(100, 130))
    assert command(scene)[0] == 0
    (manifest,) = (tmp_path / "maps").glob("*/map.json")
    before = manifest.stat().st_mtime_ns
    code, printed = command(scene)
    assert (code, manifest.stat().st_mtime_ns) == (0, before)
    assert "there already" in printed
    content = json.loads(manifest.read_text())
    assert content["windows"] == {"size": 32, "step": 16, "batch": 48}
    assert content["model"]["checkpoint"].endswith("model.ckpt")
    assert content["classes"] == list(NAMES)


def test_a_scene_that_fails_is_named_and_the_others_are_mapped(command: Command, tmp_path: Path) -> None:
    scenes = [write_scene(tmp_path / f"s{k}.tif", pixels(64, 64, k)) for k in range(3)]
    scenes[1].write_bytes(scenes[1].read_bytes()[:5000])
    code, printed = command(*scenes)
    assert code == 1
    assert "1 of 3 scenes failed:" in printed
    assert "s1.tif" in printed.splitlines()[-1]
    assert len(list((tmp_path / "maps").glob("*/map.json"))) == 2
    assert command(scenes[1])[0] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--step", "0"], "--step 0"),
        (["--min_valid", "2"], "--min_valid 2.0"),
        (["--min_confidence", "-1"], "--min_confidence -1.0"),
        (["--resolution", "7"], "--resolution 7"),
        (["--reference", "a.tif"], "--reference and --legend belong together"),
        (["--reference", "a.tif", "--legend", "b.yaml"], "--reference a.tif: there is no such file"),
        (["--area", "none.geojson"], "--area none.geojson"),
        (["--mask", "none.tif"], "--mask none.tif"),
        (["--method", "dense", "--step", "5"], "must be multiples of 4"),
        (["--method", "dense", "--views", "8"], "--views 8"),
        (["--device", "cuda:77"], "--device cuda:77: not to be had"),
        (["--shard", "3/2"], "--shard 3/2"),
        (["--scheduler", "tcp://127.0.0.1:9", "--composite", "mean"], "--composite makes one map"),
    ],
)
def test_wrong_options_are_one_line(command: Command, tmp_path: Path, arguments: list[str], message: str) -> None:
    code, printed = command(write_scene(tmp_path / "scene.tif", pixels(64, 64)), *arguments)
    assert code == 2
    assert message in printed
    assert "Traceback" not in printed
    assert len([line for line in printed.splitlines() if line.startswith("eurosat_cls: error:")]) == 1
    assert not list(tmp_path.glob("maps/*/classes.tif"))


def test_a_scene_of_nodata_alone_gets_no_class(command: Command, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", np.zeros((3, 64, 64), np.uint8), nodata=0)
    code, printed = command(scene)
    assert code == 2
    assert "no valid pixel" in printed


def test_parts_of_many_scenes_are_all_of_them_once() -> None:
    paths = [Path(str(k)) for k in range(11)]
    parts = [Shard(k, 4).of(paths) for k in range(4)]
    assert sorted(path for part in parts for path in part) == sorted(paths)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    ("given", "environment", "shard"),
    [
        (None, {}, Shard(0, 1)),
        ("2/5", {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_COUNT": "9"}, Shard(1, 5)),
        (None, {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_COUNT": "9"}, Shard(4, 9)),
        (None, {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_STEP": "2"}, Shard(3, 4)),
        (None, {"AWS_BATCH_JOB_ARRAY_INDEX": "2", "AWS_BATCH_JOB_ARRAY_SIZE": "3"}, Shard(2, 3)),
        ("6", {"JOB_COMPLETION_INDEX": "0"}, Shard(0, 6)),
    ],
)  # fmt: skip
def test_the_part_comes_from_the_option_or_the_task(
    given: str | None, environment: dict[str, str], shard: Shard
) -> None:
    assert shard_of(given, environment) == shard


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        (None, {"JOB_COMPLETION_INDEX": "0"}),
        ("4", {}),
        ("0/4", {}),
        ("x", {}),
        ("2", {"JOB_COMPLETION_INDEX": "2"}),
        (None, {"AWS_BATCH_JOB_ARRAY_INDEX": "3", "AWS_BATCH_JOB_ARRAY_SIZE": "3"}),
    ],
)
def test_a_part_that_cannot_be_is_refused(given: str | None, environment: dict[str, str]) -> None:
    with pytest.raises(UserError, match="shard"):
        shard_of(given, environment)


def test_finished_maps_are_summed_and_laid_side_by_side(command: Command, tmp_path: Path) -> None:
    from tests.scenes.products import TRANSFORM

    far = TRANSFORM @ type(TRANSFORM).translation(70, 0)  # 70 pixels: off the grid of the cells
    scenes = [write_scene(tmp_path / "a.tif", pixels(64, 64, 1)),
              write_scene(tmp_path / "b.tif", pixels(64, 64, 2), transform=far)]  # fmt: skip
    assert command(*scenes)[0] == 0
    assert exit_code(["map", "--collect", str(tmp_path / "maps")]) == 0
    with rasterio.open(tmp_path / "maps" / "classes.vrt") as dataset:
        whole = dataset.read(1)
        assert dataset.transform == TRANSFORM
        assert dataset.colormap(1)[0][3] == 255
    for place, name in ((0, "a"), (70, "b")):
        (folder,) = (tmp_path / "maps").glob(f"{name}-*")
        with rasterio.open(folder / "classes.tif") as dataset:
            assert (whole[:64, place : place + 64] == dataset.read(1).repeat(16, 0).repeat(16, 1)).all()
    assert (whole[:, 64:70] == 255).all()
    rows = (tmp_path / "maps" / "areas.csv").read_text().splitlines()[1:]
    assert sum(int(row.split(",")[1]) for row in rows) == 2 * 64 * 64


def test_overlapping_maps_are_told_of(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*(write_scene(tmp_path / f"{k}.tif", pixels(64, 64, k)) for k in range(2)))[0] == 0
    capsys.readouterr()
    assert exit_code(["map", "--collect", str(tmp_path / "maps")]) == 0
    assert "counted twice" in capsys.readouterr().out


def test_an_empty_folder_cannot_be_collected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["map", "--collect", str(tmp_path)]) == 2
    assert "no finished maps" in capsys.readouterr().err
