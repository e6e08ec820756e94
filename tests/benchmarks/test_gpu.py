"""What wants a CUDA device: the parts that a CPU can run, and that no part keeps another one from running."""

import json
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch

from eurosat_cls.data import Demo
from tests.conftest import REPOSITORY

FINDS = "import json, sys; json.dump({'rate': 7}, open(sys.argv[1], 'w')); "
CASES = {
    "done": ("", 30, {"ok": True, "found": {"rate": 7}}),
    "fails": ("sys.exit('out of memory')", 30, {"ok": False, "reason": "exit code 1", "said": "out of memory"}),
    "dies": ("import os; os.abort()", 30, {"ok": False, "reason": "exit code -6"}),
    "hangs": (
        "import os, time; child = os.fork(); child and open('child', 'w').write(str(child)); time.sleep(99)",
        1, {"ok": False, "reason": "not done after 1 s", "found": {"rate": 7}},
    ),
}  # fmt: skip


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import gpu

    return gpu


@pytest.fixture
def parts(gpu: ModuleType) -> ModuleType:
    import gpu_parts

    return gpu_parts


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_part_leaves_what_it_found_and_why_it_ended(gpu: ModuleType, case: str, tmp_path: Path) -> None:
    code, seconds, expected = CASES[case]
    result = tmp_path / "result.json"
    found = gpu.supervise([sys.executable, "-I", "-S", "-c", FINDS + code, str(result)], result, seconds, cwd=tmp_path)
    assert expected.items() <= found.items()
    assert found["found"] == {"rate": 7}
    if case == "hangs":
        child = int((tmp_path / "child").read_text())
        for _ in range(3000):  # looks, until the system has taken it away
            if not (there := Path(f"/proc/{child}/cmdline")).exists() or not there.read_bytes():
                return
            time.sleep(0.01)
        raise AssertionError("what it had started goes on")


def test_what_fails_within_a_part_is_kept_and_the_next_thing_is_tried(parts: ModuleType, tmp_path: Path) -> None:
    job = parts.Job("cpu", 10.0, 0.0, tmp_path / "result.json")
    with job.trying("one"):
        raise RuntimeError("no kernel image is available")
    with job.trying("two"):
        assert parts._rate(job, "two", lambda: None, turns=1) > 0
    found = json.loads(job.result.read_text())
    assert found["one"] == {"failed": "RuntimeError: no kernel image is available"}
    assert found["two"]["images_per_second"] > 0


def test_patches_that_lie_on_the_device_are_drawn_and_augmented_there(parts: ModuleType) -> None:
    image, target = parts._resident(Demo(20), "cpu")()
    assert (image.shape, image.dtype) == ((128, 3, 64, 64), torch.uint8)
    assert set(target.tolist()) <= set(range(10))
    parts.raw_step("32-true", "contiguous", batches=lambda: (image[:4], target[:4]))()


@pytest.mark.slow
def test_a_device_is_compared_with_the_cpu(parts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "FEW", 6)
    job = parts.Job("cpu", 100.0, 0.0, tmp_path / "result.json")
    parts.parity(job)
    for name in ("float32", "eight views", "predict", "map"):
        assert job.found[name]["equal_classes"] == 1, job.found[name]
    assert job.found["float32"]["largest_difference"] == 0
    assert 0 < job.found["bf16"]["largest_difference"] < job.found["bf16"]["largest_logit"]


def test_the_command_writes_one_file_whatever_became_of_its_parts(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--parts", "fit", "training", "--seconds", "0"])
    assert gpu.main() == 1
    written = json.loads(Path("gpu.json").read_text())
    assert {name: part["reason"] for name, part in written["parts"].items()} == dict.fromkeys(
        ("fit", "training"), "no time was left"
    )
    assert "written to gpu.json" in capsys.readouterr().out
