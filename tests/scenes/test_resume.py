"""Long work survives: the same bytes after kills, other strips and other numbers of threads."""

import errno
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eurosat_cls import UserError, map_scene
from eurosat_cls.scenes.settings import MapOptions
from eurosat_cls.scenes.work import Work
from eurosat_cls.utils.locks import locked
from tests.conftest import REPOSITORY, subprocess_env
from tests.scenes.killing import results
from tests.scenes.maps import pixels, save, small_model, write_scene


def options(rows: int | None = 40) -> MapOptions:
    return MapOptions(window=32, step=8, batch_size=20, strip_rows=rows)


def scene_of(folder: Path) -> Path:
    values = pixels(150, 170)
    values[:, 60:90, 100:] = 0
    return write_scene(folder / "scene.tif", values, nodata=0)


@pytest.mark.slow
def test_a_killed_map_ends_with_the_same_bytes(tmp_path: Path) -> None:
    model = save(small_model(), tmp_path / "model.ckpt")
    command = [sys.executable, "-m", "tests.scenes.killing", model, scene_of(tmp_path), tmp_path / "maps", "0", "10"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=subprocess_env(), cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["problems"] == []
    assert report["moments"] > 30
    assert report["killed"] >= 15


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, scene = small_model(), scene_of(tmp_path)
    from eurosat_cls.scenes import classify

    seen: list[int] = []
    plain = classify.trusted_windows

    def counting(strip: Any, *rest: Any) -> Any:
        seen.append(strip.groups[0])
        if len(seen) == 3:
            raise KeyboardInterrupt
        return plain(strip, *rest)

    monkeypatch.setattr(classify, "trusted_windows", counting)
    with pytest.raises(KeyboardInterrupt):
        map_scene(model, scene, tmp_path / "maps", options=options())
    map_scene(model, scene, tmp_path / "maps", options=options())
    assert seen[3] == seen[2] > seen[1] > seen[0], "the third strip is the first of the second run"
    done = len(seen)
    map_scene(model, scene, tmp_path / "maps", options=options())
    assert len(seen) == done, "a finished map is left as it is"


@pytest.mark.slow
@pytest.mark.parametrize("rows", [33, 64, 100, None])
def test_a_map_does_not_depend_on_how_much_is_read_at_once(tmp_path: Path, rows: int | None) -> None:
    model, scene = small_model(), scene_of(tmp_path)
    expected = results(map_scene(model, scene, tmp_path / "whole", options=options(40)))
    assert results(map_scene(model, scene, tmp_path / "other", options=options(rows))) == expected


@pytest.mark.slow
def test_a_map_does_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    model, scene = small_model(), scene_of(tmp_path)
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            found.append(results(map_scene(model, scene, tmp_path / str(threads), options=options())))
        finally:
            torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.slow
def test_a_scene_that_has_changed_is_mapped_anew(tmp_path: Path) -> None:
    model, scene = small_model(), scene_of(tmp_path)
    first = results(map_scene(model, scene, tmp_path / "maps", options=options()))
    write_scene(scene, pixels(150, 170, seed=5))
    assert results(map_scene(model, scene, tmp_path / "maps", options=options())) != first


@pytest.mark.slow
def test_other_settings_and_weights_get_a_folder_of_their_own(tmp_path: Path) -> None:
    scene, out = scene_of(tmp_path), tmp_path / "maps"
    kinds = [(small_model(), MapOptions(window=32, step=16)), (small_model(), MapOptions(window=32, step=32)),
             (small_model(seed=1), MapOptions(window=32, step=16)),
             (small_model(), MapOptions(window=32, step=16, min_confidence=0.5))]  # fmt: skip
    assert len({map_scene(model, scene, out, options=chosen) for model, chosen in kinds}) == 4
    again = map_scene(small_model(), scene, out, options=MapOptions(window=32, step=16, strip_rows=50, device="cpu"))
    assert len(list(out.iterdir())) == 4, again


def test_another_scene_of_the_same_name_is_refused(tmp_path: Path) -> None:
    model, scene = small_model(), scene_of(tmp_path)
    other = write_scene(tmp_path / "elsewhere" / "scene.tif", pixels(150, 170, seed=5))
    map_scene(model, scene, tmp_path / "maps", options=options())
    with pytest.raises(UserError, match="another scene of this name"):
        map_scene(model, other, tmp_path / "maps", options=options())


@pytest.mark.slow
def test_two_runs_into_one_folder_are_refused(tmp_path: Path) -> None:
    model, scene = small_model(), scene_of(tmp_path)
    folder = map_scene(model, scene, tmp_path / "maps", options=options())
    (folder / "map.json").unlink()
    holding = f"from eurosat_cls.utils.locks import locked\nfrom pathlib import Path\n" \
              f"with locked(Path({str(folder)!r}) / '.lock', ''):\n    print('held', flush=True)\n" \
              "    input()"  # fmt: skip
    other = subprocess.Popen([sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             env=subprocess_env())  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    try:
        with pytest.raises(UserError, match="in use by process"):
            map_scene(model, scene, tmp_path / "maps", options=options())
    finally:
        other.kill()
        other.wait()
    until = time.monotonic() + 20
    while time.monotonic() < until:  # the system gives a killed process's lock back in a moment
        try:
            with locked(folder / ".lock", ""):
                break
        except UserError:
            time.sleep(0.05)
    map_scene(model, scene, tmp_path / "maps", options=options())


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_what_is_done_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, scene = small_model(), scene_of(tmp_path)
    expected = results(map_scene(model, scene, tmp_path / "whole", options=options()))
    plain, count = Work.commit, 0

    def full(self: Work, groups: int) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(self.folder))
        plain(self, groups)

    monkeypatch.setattr(Work, "commit", full)
    with pytest.raises(UserError, match=r"the disk is full\. What is done stays"):
        map_scene(model, scene, tmp_path / "maps", options=options())
    (journal,) = (tmp_path / "maps").glob("*/.work/0/journal.json")
    assert json.loads(journal.read_text())["groups"] > 0
    assert results(map_scene(model, scene, tmp_path / "maps", options=options())) == expected


def test_a_disk_that_cannot_hold_the_map_is_named_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eurosat_cls.scenes import plan

    class Usage:
        free = 1000

    monkeypatch.setattr(plan, "disk_usage", lambda path: Usage)
    with pytest.raises(UserError, match="MB are needed and 0 MB are free"):
        map_scene(small_model(), scene_of(tmp_path), tmp_path / "maps", options=options())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        map_scene(small_model(), scene_of(tmp_path), tmp_path / "file", options=options())


@pytest.mark.slow
def test_dates_are_averaged_where_they_are_clear(tmp_path: Path) -> None:
    from eurosat_cls.scenes.mapping import Mapper

    model = small_model()
    values = [pixels(96, 128, seed) for seed in (1, 2)]
    clear = [np.ones((96, 128), bool) for _ in values]
    clear[0][:, :64] = False
    clear[1][60:] = False
    clear[0][60:, 64:] = False
    paths = [write_scene(tmp_path / f"date{k}.tif", np.where(clear[k], values[k], 0), nodata=0) for k in range(2)]
    chosen = MapOptions(window=32, step=32)
    folder = Mapper(model, tmp_path / "maps", chosen).map(paths)
    assert folder is not None
    single = [map_scene(model, v, options=chosen, valid=c).probabilities for v, c in zip(values, clear)]
    import rasterio

    with rasterio.open(folder / "probabilities.tif") as dataset:
        found = dataset.read()[:-1]
    both = np.isfinite(single[0]) & np.isfinite(single[1])
    expected = np.where(both, (single[0] + single[1]) / 2, np.where(np.isfinite(single[0]), *single))
    assert both.any()
    assert not both.all()
    np.testing.assert_allclose(found, expected, atol=1e-6, equal_nan=True)
    with rasterio.open(folder / "classes.tif") as dataset:
        assert (dataset.read(1) == 255).any(), "where no date is clear"
    other = write_scene(tmp_path / "shifted.tif", values[0][:, :, 1:])
    with pytest.raises(UserError, match=r"shifted\.tif is not on the grid of date0\.tif"):
        Mapper(model, tmp_path / "maps", chosen).map([paths[0], other])
