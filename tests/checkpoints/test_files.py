import errno
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from eurosat_cls.checkpoints.files import SafeCheckpointIO, read_checkpoint
from eurosat_cls.utils.errors import UserError


class Marker:
    """Would leave a file behind if a checkpoint's code were run."""

    def __reduce__(self) -> object:
        return os.system, ("touch executed",)


def test_what_is_saved_is_read_and_nothing_else_is_left(tmp_path: Path) -> None:
    SafeCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(3)}}, tmp_path / "x" / "a.ckpt")
    assert torch.equal(read_checkpoint(tmp_path / "x" / "a.ckpt")["state_dict"]["a"], torch.ones(3))
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["a.ckpt"]


def test_a_file_is_replaced_and_never_changed_in_place(tmp_path: Path) -> None:
    SafeCheckpointIO().save_checkpoint({"state_dict": {"a": torch.zeros(3)}}, tmp_path / "last.ckpt")
    os.link(tmp_path / "last.ckpt", tmp_path / "best.ckpt")
    SafeCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(3)}}, tmp_path / "last.ckpt")
    assert torch.equal(read_checkpoint(tmp_path / "best.ckpt")["state_dict"]["a"], torch.zeros(3))
    assert torch.equal(read_checkpoint(tmp_path / "last.ckpt")["state_dict"]["a"], torch.ones(3))


@pytest.mark.parametrize("legacy", [False, True])
def test_pickled_code_is_refused_and_never_run(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": {}, "x": Marker()}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match=r"evil.ckpt: (refused|not a checkpoint|truncated)"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Marker()))
    with pytest.raises(UserError, match=r"evil.ckpt"):
        SafeCheckpointIO().load_checkpoint(path, weights_only=False)
    assert not Path("executed").exists()


def test_truncated_and_foreign_files_are_named(tmp_path: Path) -> None:
    good = tmp_path / "good.ckpt"
    torch.save({"state_dict": {"a": torch.randn(1000)}}, good)
    data = good.read_bytes()
    for number, content in enumerate([data[: len(data) // 2], data[:-30], b"", b"hello", data[: len(data) - 1000]]):
        bad = tmp_path / f"bad{number}.ckpt"
        bad.write_bytes(content)
        with pytest.raises(UserError, match=f"bad{number}.ckpt"):
            read_checkpoint(bad)
    torch.save([1, 2], tmp_path / "list.ckpt")
    with pytest.raises(UserError, match="no state_dict"):
        read_checkpoint(tmp_path / "list.ckpt")
    with pytest.raises(UserError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "missing.ckpt")
    with pytest.raises(UserError, match="folder"):
        read_checkpoint(tmp_path)
    with pytest.raises(UserError, match="local files only"):
        read_checkpoint("http://127.0.0.1/x.ckpt")


def test_a_full_disk_between_best_and_last_names_the_checkpoint_that_is_whole(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*paths: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert run("fit", "--trainer.max_epochs", "1")[0] == 0
    folder = Path("lightning_logs/version_0/checkpoints")
    best, last = (folder / f"{name}.ckpt" for name in ("best", "last"))
    assert best.read_bytes() == last.read_bytes()
    assert not best.samefile(last), "what damages one leaves the other"
    monkeypatch.setattr("eurosat_cls.checkpoints.files.shutil.copyfileobj", no_space)
    code, printed = run("fit", "--trainer.max_epochs", "1")
    assert code == 2
    best = Path("lightning_logs/version_1/checkpoints/best.ckpt")
    assert f"last.ckpt: cannot be written (No space left on device). {best} is whole" in printed
    assert [path.name for path in best.parent.iterdir()] == ["best.ckpt"]


@pytest.mark.slow
def test_a_full_disk_leaves_the_former_checkpoint_whole(tmp_path: Path) -> None:
    script = (
        "import resource, torch\n"
        "from eurosat_cls.checkpoints.files import SafeCheckpointIO\n"
        "from eurosat_cls.utils.errors import UserError\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "io = SafeCheckpointIO()\n"
        "io.save_checkpoint({'state_dict': {'a': torch.ones(10)}}, 'a.ckpt')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    io.save_checkpoint({'state_dict': {'a': torch.ones(1_000_000)}}, 'a.ckpt')\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=_env())
    assert "a.ckpt: cannot be written (File too large)." in done.stdout, done.stderr
    assert "continue from a.ckpt" in done.stdout
    assert torch.equal(read_checkpoint(tmp_path / "a.ckpt")["state_dict"]["a"], torch.ones(10))
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]


def test_what_does_not_read_as_it_was_written_does_not_replace_the_former(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a disk or a file system has lost a block."""
    SafeCheckpointIO().save_checkpoint({"state_dict": {"a": torch.zeros(1000)}}, tmp_path / "a.ckpt")
    save = torch.save

    def lossy(content: object, stream: BinaryIO) -> None:
        save(content, stream)
        stream.seek(stream.tell() // 2)
        stream.write(b"lost")

    monkeypatch.setattr(torch, "save", lossy)
    with pytest.raises(UserError, match=r"does not read as it was written|Bad CRC"):
        SafeCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(1000)}}, tmp_path / "a.ckpt")
    assert not read_checkpoint(tmp_path / "a.ckpt")["state_dict"]["a"].any()
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]


def test_the_folder_for_temporary_files_plays_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    monkeypatch.setattr("tempfile.tempdir", None)
    SafeCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(3)}}, tmp_path / "a.ckpt")
    assert read_checkpoint(tmp_path / "a.ckpt")["state_dict"]["a"].all()


@pytest.mark.slow
def test_a_kill_while_saving_leaves_the_former_checkpoint_whole(tmp_path: Path) -> None:
    script = (
        "import torch, itertools\n"
        "from eurosat_cls.checkpoints.files import SafeCheckpointIO\n"
        "for n in itertools.count():\n"
        "    SafeCheckpointIO().save_checkpoint({'state_dict': {'a': torch.full((2_000_000,), float(n))}}, 'a.ckpt')\n"
        "    print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, env=_env()) as process:
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    saved = read_checkpoint(tmp_path / "a.ckpt")["state_dict"]["a"]
    assert saved[0] >= 4
    assert (saved == saved[0]).all()


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def test_a_disk_that_is_full_for_any_other_file_is_told_in_a_line(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*values: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "metrics.csv")

    monkeypatch.setattr("eurosat_cls.callbacks.run_metadata.write_text", full)
    code, printed = run("fit")
    assert code == 2
    assert "eurosat_cls: error: metrics.csv: No space left on device. Free some space" in printed
    assert "Traceback" not in printed
