"""Workers share a machine."""

import pytest

from eurosat_cls.search import processes
from eurosat_cls.utils.cores import DECIDED


def config(devices: object = "auto", accelerator: str = "auto") -> dict[str, object]:
    return {"trainer": {"devices": devices, "accelerator": accelerator}}


def test_each_worker_gets_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DECIDED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(processes, "available_cores", lambda: 8)
    monkeypatch.setattr(processes, "visible_gpus", lambda: [])
    assert processes.share_of(0, 3, config()) == {"OMP_NUM_THREADS": "2"}
    assert processes.share_of(0, 20, config()) == {"OMP_NUM_THREADS": "1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert processes.share_of(0, 3, config()) == {}


@pytest.mark.parametrize(
    ("devices", "expected"),
    [("auto", ["4", "5", "7", "4"]), (2, ["4,5", "7,4", "5,7", "4,5"]), ([0, 1], [None] * 4), (-1, [None] * 4)],
)
def test_workers_take_the_gpus_in_turn(
    devices: object, expected: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "visible_gpus", lambda: ["4", "5", "7"])
    shares = [processes.share_of(slot, 4, config(devices)).get("CUDA_VISIBLE_DEVICES") for slot in range(4)]
    assert shares == expected
    assert "CUDA_VISIBLE_DEVICES" not in processes.share_of(0, 4, config(devices, "cpu"))
