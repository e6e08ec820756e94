"""Scenes on a Dask cluster."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from eurosat_cls import UserError
from eurosat_cls.scenes.many import map_on_cluster
from eurosat_cls.scenes.settings import MapOptions
from tests.conftest import exit_code
from tests.scenes.killing import results
from tests.scenes.maps import pixels, save, small_model, write_scene


@pytest.mark.slow
def test_a_lost_worker_costs_nothing_but_time(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    model = save(small_model(), tmp_path / "model.ckpt")
    scenes = [write_scene(tmp_path / f"s{k}.tif", pixels(150, 170, k)) for k in range(5)]
    scenes.append(tmp_path / "none.tif")
    options = MapOptions(window=32, step=8, batch_size=20, strip_rows=40)
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with cluster, distributed.Client(cluster) as client:
        pids = list(client.run(os.getpid).values())
        killer = threading.Thread(target=_end_when_begun, args=(tmp_path / "maps", pids[0]))
        killer.start()
        lines: list[str] = []
        failed = map_on_cluster(cluster.scheduler_address, str(model), str(tmp_path / "maps"), options, (), scenes,
                                lines.append)  # fmt: skip
        killer.join()
        assert pids[0] not in client.run(os.getpid).values(), "one of the workers was killed"
    assert len(failed) == 1
    assert "none.tif" in failed[0]
    command = ["map", str(model), *map(str, scenes[:5]), "--out", str(tmp_path / "alone"), "--window", "32"]
    assert exit_code([*command, "--step", "8", "--batch_size", "20", "--strip_rows", "40"]) == 0
    for alone in (tmp_path / "alone").iterdir():
        assert results(tmp_path / "maps" / alone.name) == results(alone)


def _end_when_begun(maps: Path, pid: int) -> None:
    """Kill a process once a map is under way."""
    while not list(maps.glob("*/.work/0/journal.json")):
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UserError, match="no Dask scheduler answers there"):
        map_on_cluster("tcp://127.0.0.1:9", "model.ckpt", str(tmp_path), MapOptions(), (), [], lambda line: None, "1s")
