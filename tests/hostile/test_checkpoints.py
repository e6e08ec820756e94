"""A checkpoint is data, on every way into the program."""

import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import eurosat_cls
from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.checkpoints.weights import Weights
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet
from eurosat_cls.models.onnx_classifier import _session
from tests.conftest import BARE, exit_code, subprocess_env
from tests.hostile.helpers import Touch, checkpoint, stranger, won

Run = Callable[..., tuple[int, str]]
__all__ = ["stranger"]  # a fixture


def tiny() -> Classifier:
    return Classifier(partial(ResNet, widths=(8,), blocks=(1,)), ["a", "b"], ["B04"], mean=[90.0], std=[30.0])


def fit(path: str) -> None:
    Trainer(max_epochs=1, accelerator="cpu", precision="32-true", **BARE).fit(
        tiny(), datamodule=Demo(patches_per_class=10, batch_size=20), ckpt_path=path
    )


WAYS: dict[str, Callable[[str], object]] = {
    "load": eurosat_cls.load,
    "load_from_checkpoint": Classifier.load_from_checkpoint,
    "Trainer.fit": fit,
    "weights": lambda path: Weights(path).load_into(tiny()),
    "safe_globals": lambda path: torch.serialization.clear_safe_globals() or eurosat_cls.load(path),
}
COMMANDS = ("fit", "validate", "test", "predict")


def pickled(path: Path, form: str) -> Path:
    content: Any = {"state_dict": {}, "hyper_parameters": {"x": Touch()}}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    return path


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_pickled_code_is_not_run(run: Run, tmp_path: Path, form: str) -> None:
    path = str(pickled(tmp_path / "evil.ckpt", form))
    for name, way in WAYS.items():
        with pytest.raises(UserError, match=r"evil\.ckpt: (refused|not a|truncated)"):
            way(path)
        assert not won(), name
    for command in COMMANDS:
        code, printed = run(command, "--ckpt_path", path)
        assert (code, won()) == (2, False), command
        assert "evil.ckpt: " in printed
    assert exit_code(["describe", path]) == 2
    code, _ = run("fit", "--model.init_args.weights", path)
    assert (code, won()) == (2, False)


@pytest.mark.parametrize("key", ["class_path", "_class_path", "_instantiator"])
def test_what_a_checkpoint_names_is_not_imported(
    run: Run, tmp_path: Path, stranger: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"{stranger}.{'build' if key == '_instantiator' else 'Network'}"
    planted: dict[str, Any] = {"encoder": {"class_path": name}} if key == "class_path" else {key: name}
    path = str(checkpoint(tmp_path / "evil.ckpt", **planted))
    for way in ("load", "load_from_checkpoint", "weights"):
        with pytest.raises(UserError, match=r"not trusted|is refused"):
            WAYS[way](path)
    code, printed = run("fit", "--model.init_args.weights", path)
    assert (code, stranger in printed) == (2, True)
    for command in COMMANDS:
        code, printed = run(command, "--ckpt_path", path)
        assert code == 2
        assert stranger in printed
    assert exit_code(["describe", path]) == 0
    assert ("not trusted" in capsys.readouterr().out) == (key == "class_path")
    assert not won()
    assert stranger not in sys.modules


@pytest.mark.parametrize("name", ["torch.hub.load", "torch.load", "torch.jit.ScriptModule", "torch.os.system"])
def test_what_is_no_part_of_a_network_is_refused(tmp_path: Path, name: str) -> None:
    path = str(checkpoint(tmp_path / "evil.ckpt", encoder={"class_path": name}))
    for way in ("load", "load_from_checkpoint", "Trainer.fit", "weights"):
        with pytest.raises(UserError, match=rf"{name} (is refused|cannot be imported)"):
            WAYS[way](path)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a.ckpt", "s3://x/a.ckpt", "file:///a.ckpt", "hf://x/a.ckpt"])
def test_a_checkpoint_from_elsewhere_is_not_fetched(run: Run, address: str) -> None:
    for way in WAYS.values():
        with pytest.raises(UserError, match=r"read from local files only; download it first"):
            way(address)
    code, printed = run("test", "--ckpt_path", address)
    assert code == 2
    assert "download it first" in printed


@pytest.mark.slow
def test_settings_that_never_end_are_refused(tmp_path: Path) -> None:
    bomb: list[Any] = ["x"]
    for _ in range(40):
        bomb = [bomb, bomb, bomb]
    loop: list[Any] = []
    loop.append(loop)
    for planted in (bomb, loop):
        path = str(
            checkpoint(tmp_path / "evil.ckpt", class_weights=planted, content={"run": {"config": {"a": planted}}})
        )
        for way in ("load", "load_from_checkpoint", "Trainer.fit"):
            with pytest.raises(UserError, match="more than 100,000 settings"):
                WAYS[way](path)
        assert exit_code(["describe", path]) == 2
        assert exit_code(["describe", path, "--config"]) == 2


@pytest.mark.slow
def test_states_that_never_end_are_refused_too(tmp_path: Path) -> None:
    bomb: Any = ["x"]
    for _ in range(40):
        bomb = [bomb, bomb, bomb]
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    for content in ({"callbacks": {"ModelCheckpoint": {"best_k_models": bomb}}}, {"optimizer_states": [deep]}):
        with pytest.raises(UserError, match="more than 1,000,000 settings in it, or some 64 deep"):
            eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", content=content))


@pytest.mark.parametrize("name", ["a.safetensors", "a.ckpt", "a.onnx"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for way in (lambda path: Weights(path).load_into(tiny()), eurosat_cls.load):
        with pytest.raises(UserError, match=r"no plain file|there is no such model"):
            way(str(tmp_path / name))


def test_what_runs_a_graph_prints_no_name_of_it(capfd: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx")
    make = onnx.helper
    node = make.make_node("Reshape", ["x", "s"], ["y"], name="\x1b]0;won\x07")
    x, y = (make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in "xy")
    shape = make.make_tensor("s", onnx.TensorProto.INT64, [1], [7])
    model = make.make_model(make.make_graph([node], "g", [x], [y], [shape]), ir_version=10,
                            opset_imports=[make.make_opsetid("", 21)])  # fmt: skip
    with pytest.raises(Exception, match="Reshape"):
        _session(model.SerializeToString(), "a.onnx").run(None, {"x": np.zeros(3, np.float32)})
    assert "\x1b" not in capfd.readouterr().err


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "good.ckpt")
    packed = tmp_path / "packed.ckpt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.namelist():
            target.writestr(entry, source.read(entry))
    with pytest.raises(UserError, match="refused, it unpacks to more than it is"):
        eurosat_cls.load(packed)


def test_a_safetensors_header_of_any_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.safetensors"
    for length in (2**63 - 1, 2**40, 99_000_000):
        path.write_bytes(
            length.to_bytes(8, "little") + b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
        )
        with pytest.raises(UserError, match="not a safetensors file"):
            Weights(str(path)).load_into(tiny())


def test_a_terminal_is_not_steered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = checkpoint(tmp_path / "evil.ckpt", class_names=["\x1b[2J\x1b]0;won\x07", "b\r\u202e"])
    assert exit_code(["describe", str(path)]) == 0
    assert not set(capsys.readouterr().out) & {"\x1b", "\x07", "\r", "\u202e"}


def test_a_folder_with_a_repository_runs_no_programs(tmp_path: Path) -> None:
    from eurosat_cls.utils.git import revision_of

    def git(*arguments: str) -> None:
        named = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *named, *arguments], check=True, capture_output=True, env=subprocess_env())

    git("init", "-q")
    Path("a.txt").write_text("a")
    git("add", "a.txt")
    git("commit", "-q", "-m", "a")
    commit = revision_of(tmp_path)
    assert commit is not None
    assert len(commit) == 40
    Path("a.txt").write_text("b")
    assert revision_of(tmp_path) == f"{commit} (dirty)"
    Path(".git/hooks").mkdir(exist_ok=True)
    Path(".git/hooks/post-index-change").write_text("#!/bin/sh\ntouch won\n")
    Path(".git/hooks/post-index-change").chmod(0o755)
    Path(".gitattributes").write_text("* filter=evil\n")
    git("config", "filter.evil.clean", "touch won; cat")
    assert revision_of(tmp_path) == f"{commit} (changes not looked for)"
    git("config", "--unset", "filter.evil.clean")
    git("config", "core.fsmonitor", "touch won")
    assert revision_of(tmp_path) == f"{commit} (changes not looked for)"
    git("config", "--unset", "core.fsmonitor")
    assert revision_of(tmp_path) == f"{commit} (dirty)"
    assert not won()
