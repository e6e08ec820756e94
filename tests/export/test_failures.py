"""What cannot be exported is told in a line, and leaves nothing behind."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import eurosat_cls
from eurosat_cls import AutoEncoder, UserError
from eurosat_cls.encoders import Encoder, ResNet
from eurosat_cls.export import ExportOptions, NotEqual, export_model, proof, quantize
from eurosat_cls.export.patches import Patches
from tests.conftest import exit_code
from tests.export.models import TINY, classifier, save


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "onxn"], "Did you mean 'onnx'? There are onnx, pt2, safetensors, hub."),
        (["--opset", "12"], "--opset 12: it must be from 18 to 23."),
        (["--patches", "0"], "--patches 0: the proof needs at least one."),
        (["--license", "\x1b[2J"], "--license: a short name is meant"),
        (["--force"], "--force: has no effect without --quantize."),
        (["--out", "file"], "--out file: is a file; name a folder."),
        (["--out", "file/below"], "file/below: cannot be written"),
        (["--out", "taken"], "taken/model.onnx: is there already; --overwrite replaces it"),
        (["--format", "safetensors", "--qgis", "--out", "x"], "--qgis needs a model of 8-bit B04, B03, B02"),
    ],
)
def test_a_wrong_option_is_a_mistake_of_a_line(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "prove", lambda *a, **k: {"patches": 1, "largest difference of logits": 0.0})
    monkeypatch.setattr("eurosat_cls.export.build.prove", proof.prove)
    save(classifier(bands=["B04", "B08"]), tmp_path / "a.ckpt")
    Path("file").touch()
    Path("taken").mkdir()
    Path("taken/model.onnx").touch()
    before = sorted(tmp_path.rglob("*"))
    assert exit_code(["export", "a.ckpt", *options]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["missing.ckpt", "model.onnx", "untrusted.ckpt"])
def test_what_is_no_checkpoint_to_export_is_a_mistake_of_a_line(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("model.onnx").touch()
    model = classifier()
    settings = {**dict(model.hparams), "encoder": {"class_path": "stranger.Net"}}
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": settings}, "untrusted.ckpt")
    assert exit_code(["export", name]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("export").exists()


def test_without_its_packages_the_line_that_installs_them_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"export needs onnxscript: pip install 'eurosat-cls\[export\]'"):
        export_model(save(classifier(), Path("a.ckpt")))


class Singular(Encoder):
    """Its operator is none of ONNX."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.out_features = 64

    def forward_map(self, x: Tensor) -> Tensor:
        return torch.linalg.svdvals(x).mean(1)[:, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_map(x).flatten(1)


class Counting(Singular):
    """It fixes the number of patches."""

    def forward_map(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), -1)[:, :64, None, None]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        (Singular, r"Singular cannot be exported by torch.onnx \(operator aten.*svd.*--format safetensors"),
        (Counting, r"Counting cannot be exported by torch.export \(it fixes the number of patches, as len\(x\) does"),
    ],
)
def test_an_encoder_that_cannot_be_exported_is_named_with_the_reason(encoder: type[Encoder], said: str) -> None:
    with pytest.raises(UserError, match=said):
        export_model(save(classifier(encoder), Path("a.ckpt")), trust=["tests"])
    assert [path.name for path in Path().iterdir()] == ["a.ckpt"]


@pytest.mark.slow
def test_a_difference_ends_with_1_and_leaves_the_former_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(classifier(), Path("a.ckpt"))
    Path("export").mkdir()
    Path("export/model.safetensors").write_text("former")
    monkeypatch.setattr(proof, "LOGITS", -1.0)
    assert exit_code(["export", "a.ckpt", "--format", "safetensors", "--overwrite", "--patches", "3"]) == 1
    error = capsys.readouterr().err
    assert "model.safetensors: logits differ by up to" in error
    assert error.endswith("Nothing was written.\n")
    assert [path.name for path in Path("export").iterdir()] == ["model.safetensors"]
    assert Path("export/model.safetensors").read_text() == "former"


def test_a_file_that_does_not_run_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("nothing")
    batches = [np.zeros((1, 3, 8, 8), np.uint8)]
    with pytest.raises(NotEqual, match=r"model.onnx: does not run in a process of its own \(.*Protobuf"):
        proof.prove("onnx", tmp_path / "model.onnx", ["logits"], batches, [[np.zeros((1, 2))]])


def test_an_autoencoder_has_no_classes_to_judge_by(tmp_path: Path) -> None:
    from eurosat_cls.decoders import ConvolutionalReconstruction

    model = AutoEncoder(TINY, partial(ConvolutionalReconstruction, scale=4), ["B04"], mean=[9.0], std=[3.0])
    path = save(model, tmp_path / "a.ckpt")
    for options in (ExportOptions(formats=("safetensors",)), ExportOptions(formats=("safetensors",), qgis=True)):
        with pytest.raises(UserError, match=r"encoder.safetensors already"):
            export_model(path, options)
    with pytest.raises(UserError, match="not a checkpoint of a Classifier"):
        eurosat_cls.load(path)


def test_integers_are_kept_only_where_they_are_faster_and_hardly_worse() -> None:
    assert quantize.is_better({"times as fast": 1.1, "accuracy lost": 0.003})
    assert not quantize.is_better({"times as fast": 0.9, "accuracy lost": 0.0})
    assert not quantize.is_better({"times as fast": 2.0, "accuracy lost": 0.0031})


@pytest.mark.slow
def test_an_int8_file_answers_nearly_as_the_model(exports: Path) -> None:
    model = eurosat_cls.load(exports / "run")
    from eurosat_cls.data import Demo

    data = Demo(patches_per_class=20)
    test = Patches(data.read(data.split.test), np.asarray(data.store.labels)[data.split.test])
    quantize.quantize(exports / "model.onnx", Path("int8.onnx"), data.read(data.split.train[:64]))
    found = quantize.compare(model, exports / "model.onnx", Path("int8.onnx"), test)
    assert found["accuracy lost"] < 0.1
    assert found["times as fast"] > 0
    int8 = eurosat_cls.load("int8.onnx")
    same = np.mean([a == b for a, b in zip(int8.predict(test.images).names, model.predict(test.images).names)])
    assert same > 0.9
    assert Path("int8.onnx").read_bytes() != (exports / "model.onnx").read_bytes()
    assert ResNet.__name__ in json.dumps(dict(model.hparams))


def test_strangers_names_are_text_in_the_model_card() -> None:
    from eurosat_cls.export.hub import page_of

    settings: dict[str, Any] = {
        "class_names": ["<script>", "a|b", "x`\n# y"],
        "bands": ["B04"],
        "unit": {"dtype": "uint8"},
    }
    card = {"settings": settings, "data": {"patch_size": 64}, "test": {}, "license": None, "checkpoint": "0" * 64}
    page = page_of(card, "Net", 3, "8 bits")
    assert "<script>" not in page
    assert "a|b" not in page
    assert "\n# y" not in page
