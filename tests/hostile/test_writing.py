"""What is written stays where it belongs: through no link, over nothing of others, whole."""

import ast
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.profilers import SimpleProfiler

import eurosat_cls
from eurosat_cls import UserError
from eurosat_cls.callbacks.run_folder import check_writers
from eurosat_cls.checkpoints.runs import run_folder_of
from eurosat_cls.utils.files import (
    created,
    growing,
    look_through,
    publish,
    remove_parts,
    replacing,
    write_json,
    write_text,
)
from eurosat_cls.utils.locks import locked
from tests.conftest import subprocess_env

Run = Callable[..., tuple[int, str]]
PACKAGE = Path(eurosat_cls.__file__).parent
# Modules that write by themselves: the one writer, and what writes into a folder that is its own for as long as it is.
WRITERS = {
    "utils/files.py", "data/store/build.py", "data/images.py", "export/formats.py", "export/build.py",
    "cli/configuration.py", "callbacks/finders/memory.py", "search/configuration.py", "scenes/rasters.py",
    "search/channel.py", "training/timing.py",  # these write to a pipe
    "data/cached.py", "utils/locks.py",  # these move what they remove, and lock what they open
}  # fmt: skip


@pytest.mark.parametrize("write", [write_text, write_json])
def test_a_link_of_the_name_is_replaced_and_not_followed(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "a.txt").symlink_to("victim")
    write(tmp_path / "a.txt", "x")
    assert (tmp_path / "victim").read_text() == "mine"
    assert not (tmp_path / "a.txt").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "victim"]


def test_a_block_that_fails_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "former")
    for way in (created, replacing):
        with pytest.raises(OSError, match="full"), way(tmp_path / "a.txt"):
            raise OSError("full")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "former"


def test_two_writers_of_one_name_share_no_bytes(tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=10)

    def write(letter: bytes) -> None:
        with created(tmp_path / "a.txt") as stream:
            for _ in range(50):
                stream.write(letter * 1000)
                stream.flush()
                if _ == 25:
                    together.wait()

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.txt").read_bytes() in (b"a" * 50_000, b"b" * 50_000)


def test_a_library_writes_into_a_folder_that_nobody_else_may_enter(tmp_path: Path) -> None:
    with replacing(tmp_path / "map.tif") as part:
        assert part.name == "map.tif"
        assert part.parent.stat().st_mode & 0o077 == 0
        part.write_text("x")
        part.with_name("map.tif.aux.xml").write_text("beside")
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]


def test_a_folder_replaces_the_former_one_and_a_file_never_replaces_a_folder(tmp_path: Path) -> None:
    for number in range(2):
        with replacing(tmp_path / "store") as part:
            part.mkdir()
            (part / f"{number}.npy").write_text("x")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["1.npy"]
    with pytest.raises(OSError, match="directory"):
        write_text(tmp_path / "store", "x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "made").mkdir()
    publish(tmp_path / "made", tmp_path / "link")
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_a_log_grows_only_where_it_is_a_plain_file_of_one_name(tmp_path: Path) -> None:
    for text in (b"a", b"b"):
        with growing(tmp_path / "log.txt") as stream:
            stream.write(text)
    assert (tmp_path / "log.txt").read_bytes() == b"ab"
    (tmp_path / "link").symlink_to("log.txt")
    (tmp_path / "dangling").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe")
    os.link(tmp_path / "log.txt", tmp_path / "second")
    for name in ("link", "dangling", "pipe", "second"):
        with pytest.raises(OSError, match=r"plain file|symbolic|seek"):
            growing(tmp_path / name)
    assert not (tmp_path / "nothing").exists()


def test_what_a_folder_hides_is_named_and_the_way_to_it_may_be_a_link(tmp_path: Path) -> None:
    inner = tmp_path / "run" / "checkpoints"
    inner.mkdir(parents=True)
    (inner / "a.ckpt").touch()
    (tmp_path / "way").symlink_to("run")
    look_through(tmp_path / "way")
    for name, make in (("b.ckpt", lambda p: p.symlink_to("/etc")), ("pipe", os.mkfifo)):
        make(inner / name)  # type: ignore[operator]
        with pytest.raises(UserError, match=rf"{name}: refused, it is (a link|no plain file)"):
            look_through(tmp_path / "run")
        (inner / name).unlink()


@pytest.mark.parametrize("name", ["logs/n", "logs/n/version_3", "logs/n/version_3/hparams.yaml", "prof/fit-x.txt"])
def test_loggers_and_profilers_meet_no_link(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").mkdir()
    loggers = [kind("logs", name="n", version=3) for kind in (CSVLogger, TensorBoardLogger)]
    trainer = Trainer(accelerator="cpu", logger=loggers, profiler=SimpleProfiler("prof", "x"))
    check_writers(trainer)
    Path(name).parent.mkdir(parents=True)
    Path(name).symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match=r"refused, it is a link; what is written must stay in"):
        check_writers(trainer)
    trainer.profiler.filename = "link/x"
    Path(name).unlink()
    with pytest.raises(UserError, match="is no name of a file"):
        check_writers(trainer)


def test_the_checkpoints_of_a_run_are_not_those_of_another(tmp_path: Path) -> None:
    for run in ("mine", "theirs"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "config.yaml").touch()
    (tmp_path / "mine/checkpoints").mkdir()
    (tmp_path / "mine/checkpoints/last.ckpt").touch()
    (tmp_path / "theirs/checkpoints").symlink_to(tmp_path / "mine/checkpoints")
    (tmp_path / "a.ckpt").symlink_to(tmp_path / "mine/checkpoints/last.ckpt")
    folder = run_folder_of(tmp_path / "theirs/checkpoints/last.ckpt")
    assert folder == tmp_path / "theirs"
    with pytest.raises(UserError, match="checkpoints: refused, it is a link"):
        look_through(folder)
    assert run_folder_of(tmp_path / "a.ckpt") == tmp_path / "mine"


def test_what_a_killed_process_left_goes_and_a_link_among_it_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").touch()
    (tmp_path / ".a.ckpt.1.part").mkdir()
    (tmp_path / ".b.ckpt.1.part").touch()
    (tmp_path / ".c.ckpt.1.part").symlink_to("mine")
    remove_parts(tmp_path, "*.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "kept").exists()


@pytest.mark.slow
def test_every_module_writes_through_the_one_writer() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _writes(node):
                found.add(path.relative_to(PACKAGE).as_posix())
    assert found - WRITERS == set()


def _writes(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in ("open", "fdopen"):
        texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        return any(set(text) <= set("rwaxbt+") and set(text) & set("wax+") for text in texts)
    of_file = isinstance(call.func, ast.Attribute) and name in ("write_text", "write_bytes", "touch", "rename")
    return of_file or name in ("mkstemp", "mkdtemp", "NamedTemporaryFile", "copyfile", "symlink_to", "symlink")


# --- a stranger's run folder --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["predictions.csv.part", "hparams.yaml", "checkpoints/x.ckpt", "test.json"])
def test_no_command_writes_through_a_link_in_a_run_folder(run: Run, trained: None, tmp_path: Path, name: str) -> None:
    (tmp_path / "bashrc").write_text("mine")
    folder = tmp_path / "lightning_logs" / "version_0"
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "bashrc")
    for command in ("fit", "validate", "test", "predict"):
        code, printed = run(command, "--ckpt_path", "last")
        assert code == 2, command
        assert f"{name}: refused, it is a link" in printed
    assert (tmp_path / "bashrc").read_text() == "mine"


def test_a_second_training_of_a_run_is_refused_with_the_process_that_writes_it(
    run: Run, trained: None, tmp_path: Path
) -> None:
    folder = tmp_path / "lightning_logs" / "version_0"
    holding = (
        "import sys\nfrom pathlib import Path\nfrom eurosat_cls.utils.locks import locked\n"
        "with locked(Path(sys.argv[1]), 'a run'):\n    print('held', flush=True)\n    input()"
    )
    command = [sys.executable, "-c", holding, str(folder / ".lock")]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=subprocess_env())
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    config = (folder / "config.yaml").read_bytes()
    try:
        code, printed = run("fit", "--ckpt_path", "last", "--trainer.max_epochs", "3")
        assert code == 2
        assert f"in use by process {other.pid} on" in printed
        assert (folder / "config.yaml").read_bytes() == config
    finally:
        other.communicate("\n")
    assert run("fit", "--ckpt_path", "last", "--trainer.max_epochs", "3")[0] == 0


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".lock").symlink_to("mine")
    with pytest.raises(UserError, match="it is a link and no lock"), locked(tmp_path / ".lock", "a run"):
        pass
    os.link(tmp_path / "mine", tmp_path / "hard.lock")
    with pytest.raises(UserError, match="it is a link and no lock"), locked(tmp_path / "hard.lock", "a run"):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_truncated_checkpoint_says_so_and_names_one_that_is_whole(run: Run, trained: None, tmp_path: Path) -> None:
    folder = tmp_path / "lightning_logs" / "version_0" / "checkpoints"
    content = (folder / "last.ckpt").read_bytes()
    shutil.copy(folder / "best.ckpt", folder / "older.ckpt")
    for kept in (len(content) // 2, len(content) - 30, 100):
        (folder / "last.ckpt").write_bytes(content[:kept])
        os.utime(folder / "older.ckpt", (1, 1))
        code, printed = run("test", "--ckpt_path", "last")
        assert code == 2
        assert "last.ckpt: truncated" in printed
        assert f"that is whole is {Path('lightning_logs/version_0/checkpoints/best.ckpt')}." in printed
    damaged: Any = bytearray(content)
    damaged[len(damaged) // 2] ^= 255
    (folder / "best.ckpt").write_bytes(damaged)
    assert "older.ckpt" in run("test", "--ckpt_path", "last")[1]
