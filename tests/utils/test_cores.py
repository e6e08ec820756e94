"""Threads follow cores, quotas and neighbours; whoever has decided wins."""

import subprocess
import sys
from pathlib import Path

import pytest

from eurosat_cls.search import processes
from eurosat_cls.utils import cores
from tests.conftest import subprocess_env


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "visible_cores", lambda: 4)


def system(root: Path, groups: str, **files: str) -> Path:
    """A file system with these control groups: paths with ``__`` for ``/`` and ``_dot_`` for ``.``."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "quota", "available"),
    [
        ("0::/\n", {"cpu_dot_max": "100000 100000\n"}, 1.0, 1),  # a container of its own name space
        ("0::/\n", {"cpu_dot_max": "max 100000\n"}, None, 4),
        ("0::/a/b\n", {"a__cpu_dot_max": "250000 100000\n", "a__b__cpu_dot_max": "max 100000\n"}, 2.5, 3),
        ("0::/a/b\n", {"a__cpu_dot_max": "150000 100000\n", "a__b__cpu_dot_max": "50000 100000\n"}, 0.5, 1),
        ("0::/../../host\n", {"cpu_dot_max": "200000 100000\n"}, 2.0, 2),
        ("3:cpu,cpuacct:/x\n0::/\n", {"cpu__x__cpu_dot_cfs_quota_us": "100000\n",
                                     "cpu__x__cpu_dot_cfs_period_us": "100000\n"}, 1.0, 1),
        ("3:cpu,cpuacct:/of/the/host\n", {"cpu,cpuacct__cpu_dot_cfs_quota_us": "200000\n",
                                         "cpu,cpuacct__cpu_dot_cfs_period_us": "100000\n"}, 2.0, 2),
        ("3:cpu:/\n", {"cpu__cpu_dot_cfs_quota_us": "-1\n", "cpu__cpu_dot_cfs_period_us": "100000\n"}, None, 4),
        ("5:cpuset:/\n4:memory:/\n", {"cpuset__cpu_dot_max": "100000 100000"}, None, 4),
        ("0::/\n", {"cpu_dot_max": "900000 100000\n"}, 9.0, 4),
        ("0::/\n", {"cpu_dot_max": "what"}, None, 4),
    ],
)  # fmt: skip
def test_quotas_of_both_kinds_of_control_groups(
    groups: str, files: dict[str, str], quota: float | None, available: int, tmp_path: Path
) -> None:
    root = system(tmp_path, groups, **files)
    assert cores.cpu_quota(root) == quota
    assert cores.available_cores(root) == available
    given: dict[str, str] = {}
    cores.limit_threads(given, root)
    assert given.get("OMP_NUM_THREADS") == (str(available) if available < 4 else None)
    assert not cores.decided(given)


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT"])
def test_whoever_has_decided_wins(name: str, tmp_path: Path) -> None:
    root = system(tmp_path, "0::/\n", cpu_dot_max="100000 100000")
    given = {name: "3"}
    cores.limit_threads(given, root)
    assert cores.share_out(2, given) is None
    assert given == {name: "3"}


def test_a_system_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert cores.cpu_quota(tmp_path) is None


@pytest.mark.parametrize(
    ("available", "trainings", "foreign", "threads"),
    [(2, 0, 0.0, 2), (2, 0, 0.6, 2), (2, 0, 0.8, 1), (2, 1, 0.0, 1), (2, 5, 9.0, 1), (16, 1, 0.0, 8), (16, 1, 12.0, 4)],
)
def test_threads_leave_room_for_others(available: int, trainings: int, foreign: float, threads: int) -> None:
    assert cores.threads_for(available, trainings, foreign) == threads


@pytest.mark.parametrize(
    ("words", "training"),
    [
        (["/usr/bin/python3", "-m", "eurosat_cls", "fit", "--config", "a.yaml"], True),
        (["python", "/venv/bin/eurosat-cls", "fit"], True),
        (["python", "/x/eurosat_cls/__main__.py", "fit"], True),
        (["python", "-m", "eurosat_cls.cli.trial", "folder"], True),
        (["python", "-m", "eurosat_cls", "search", "--", "fit"], False),
        (["bash", "-c", "python -m eurosat_cls fit"], False),
        (["tail", "-f", "eurosat_cls"], False),
        ([""], False),
    ],
)
def test_trainings_are_known_by_their_command_line(words: list[str], training: bool) -> None:
    assert cores.is_training(words) is training


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_training_beside_this_process_is_seen_until_it_ends() -> None:
    waiting = [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()", "eurosat_cls", "fit"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert other.pid in cores.other_trainings()
        other.communicate()
    assert other.pid not in cores.other_trainings()


def test_what_other_programs_use_is_told_over_some_time_only() -> None:
    before = cores.Load(0.0, 100.0, 50.0)
    assert cores.foreign_cores(before, cores.Load(2.0, 104.0, 52.0)) == 1.0
    assert cores.foreign_cores(before, cores.Load(0.1, 104.0, 52.0)) == 0.0
    assert cores.foreign_cores(None, before) == 0.0
    assert cores.foreign_cores(before, cores.Load(2.0, 101.0, 60.0)) == 0.0, "clocks of ticks are coarse"
    now = cores.load()
    assert now is None or now.busy >= now.ours > 0


def test_processes_of_a_program_share_what_a_quota_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in cores.DECIDED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EUROSAT_THREADS", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # as set at the front door
    monkeypatch.setattr(processes, "available_cores", lambda: 3)
    monkeypatch.setattr(cores, "available_cores", lambda: 3)
    config = {"trainer": {"devices": "auto", "accelerator": "cpu"}}
    assert processes.share_of(0, 2, config) == {"OMP_NUM_THREADS": "1"}
    assert cores.share_out(2) == 1
    assert cores.decided(), "to the processes that are started"


@pytest.mark.slow
def test_the_number_is_set_before_torch_is_imported() -> None:
    code = (
        "import sys; from eurosat_cls.cli import entrypoint; from eurosat_cls.utils import cores;"
        "entrypoint.limit_threads = lambda: print('torch' in sys.modules);"
        "entrypoint.main(['describe', 'nowhere.ckpt'])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=subprocess_env(), capture_output=True, text=True)
    assert done.stdout.splitlines()[0] == "False"
