"""Models that others hand over: ours run, everything else is refused before anything of it runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import eurosat_cls
from eurosat_cls import UserError
from eurosat_cls.checkpoints.files import read_checkpoint
from tests.conftest import exit_code
from tests.export.models import card, graph


def written(model: onnx.ModelProto, said: Any) -> Path:
    text = said if isinstance(said, str) else json.dumps(said)
    onnx.helper.set_model_props(model, {} if said is None else {"eurosat_cls": text})
    path = Path("model.onnx")
    path.write_bytes(model.SerializeToString())
    return path


def test_a_file_runs_with_its_own_classes_and_size_and_dtype() -> None:
    model = eurosat_cls.load(written(graph(), card(temperature=2.0, calibrate=True)))
    images = np.zeros((5, 3, 40, 70), np.uint8)
    for number, band in enumerate((0, 1, 2, 1, 0)):
        images[number, band] = 9
    found = model.predict(images)
    assert found.names == ["Forest", "River", "Residential", "River", "Forest"]
    expected = torch.tensor([9.0, 0.0, 0.0]).div(2).softmax(0)
    np.testing.assert_allclose(found.probabilities[0], expected, rtol=1e-6)
    assert model.predict(images.astype(np.float32)).names == found.names
    with pytest.raises(UserError, match="takes raw values in uint8"):
        model.predict(images + np.float32(0.5))
    with pytest.raises(UserError, match="runs as a whole"):
        model.encoder(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, "not a model that this project has exported"),
        ("[" * 100_000, "what it says of itself is damaged"),
        ("[]", "what it says of itself is damaged"),
        (card(format=2), "by another version"),
        (card(class_names=["a"] * 3), "its class names cannot"),
        (card(class_names=["a", "b", "c\x1b[2J"]), "its class names cannot"),
        (card(class_names=[f"c{n}" for n in range(5000)]), "its class names cannot"),
        (card(class_names=["a", "b"]), "no logits for the 2 classes"),
        (card(bands=["../../etc"] * 3), "its bands cannot"),
        (card(bands=["B04", "B03"]), r"not \[N, 2, H, W\]"),
        (card(mean=[1.0, 2.0, "x"], std=[1.0] * 3), "its mean cannot"),
        (card(mean=[1.0] * 3, std=[0.0] * 3), "its std cannot"),
        (card(unit={"dtype": "object"}), "its unit cannot"),
        (card(task=["multiclass"]), "its task cannot"),
        (card(calibrate="yes"), "its settings cannot"),
        (card(temperature=-1), "its temperature cannot"),
        (card(threshold=[[0.5]]), "its thresholds cannot"),
        (card(data={"patch_size": 10**9}), "its patch size cannot"),
        (card(task="multilabel", threshold=[0.5, 0.5]), "its thresholds cannot"),
    ],
)  # fmt: skip
def test_metadata_that_no_export_wrote_are_refused(said: Any, why: str) -> None:
    with pytest.raises(UserError, match=why):
        eurosat_cls.load(written(graph(), said))
    assert [path.name for path in Path().iterdir()] == ["model.onnx"]


def external() -> onnx.ModelProto:
    model = graph()
    weight = model.graph.initializer[0]
    weight.ClearField("float_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../secret")
    return model


def nested() -> onnx.ModelProto:
    """The same within a branch."""
    model, inner = graph(), external().graph
    del inner.input[:]
    model.graph.node.append(helper.make_node("If", ["flag"], ["x"], then_branch=inner, else_branch=inner))
    return model


def elsewhere(kind: str) -> onnx.ModelProto:
    """The same within an attribute, of one tensor or of several, of a graph or of several, in a graph in a graph."""
    model, weight = graph(), external().graph.initializer[0]
    inner = external().graph
    value = {"t": weight, "tensors": [weight], "g": inner, "graphs": [inner, inner]}[kind.removesuffix(" deep")]
    node = helper.make_node("Constant", [], ["y"])
    node.attribute.append(helper.make_attribute("value", value))
    if kind.endswith(" deep"):
        middle = helper.make_graph([node], "middle", [], [])
        node = helper.make_node(
            "Loop", [], ["y"], body=helper.make_graph([helper.make_node("If", [], [], then_branch=middle)], "a", [], [])
        )
    model.graph.node.append(node)
    return model


def sparse(deep: bool) -> onnx.ModelProto:
    """A tensor that is written out as a large one when it is read."""
    model = graph()
    values = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    tensor = helper.make_sparse_tensor(values, helper.make_tensor("i", TensorProto.INT64, [1], [0]), [10**10])
    if deep:
        model.graph.node.append(helper.make_node("Constant", [], ["y"], sparse_value=tensor))
    else:
        model.graph.sparse_initializer.append(tensor)
    return model


def foreign() -> onnx.ModelProto:
    model = graph()
    model.graph.node.append(helper.make_node("EPContext", ["image"], ["x"], domain="com.microsoft"))
    return model


@pytest.mark.parametrize(
    "model", [external(), nested(), *(elsewhere(f"{kind}{deep}") for kind in ("t", "tensors", "g", "graphs")
                                      for deep in ("", " deep"))],
)  # fmt: skip
def test_weights_in_other_files_are_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(UserError, match="its weights are in other files"):
        eurosat_cls.load(written(model, card()))


@pytest.mark.parametrize("deep", [False, True])
def test_tensors_that_grow_when_they_are_read_are_refused(deep: bool) -> None:
    with pytest.raises(UserError, match="it holds a SparseTensorProto"):
        eurosat_cls.load(written(sparse(deep), card()))
    model = graph()
    node = helper.make_node("Constant", [], ["y"], value=TensorProto(data_type=1, dims=[10**5, 10**5]))
    model.graph.node.append(node)
    with pytest.raises(UserError, match=r"a tensor of \[100000, 100000\], larger than the file"):
        eurosat_cls.load(written(model, card()))
    node.attribute[0].t.dims[:] = [-1]
    model.graph.node[-1].CopyFrom(node)
    with pytest.raises(UserError, match=r"a tensor of \[-1\]"):
        eurosat_cls.load(written(model, card()))


def test_functions_and_trainings_within_a_file_are_refused() -> None:
    model = graph()
    model.functions.add(name="f", domain="")
    with pytest.raises(UserError, match="it holds a FunctionProto"):
        eurosat_cls.load(written(model, card()))
    model = graph()
    model.training_info.add()
    with pytest.raises(UserError, match="it holds a TrainingInfoProto"):
        eurosat_cls.load(written(model, card()))


def test_operators_beyond_the_standard_are_refused() -> None:
    with pytest.raises(UserError, match=r"beyond the standard ones \('com.microsoft'\)"):
        eurosat_cls.load(written(foreign(), card()))
    model = graph()
    model.opset_import.append(helper.make_opsetid("mine", 1))
    with pytest.raises(UserError, match=r"operators beyond the standard ones \('mine'\)"):
        eurosat_cls.load(written(model, card()))


def test_what_is_no_model_is_a_mistake_of_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.onnx").write_bytes(b"\xff\xfe nothing")
    Path("b.onnx").write_bytes(graph().SerializeToString()[:-40])
    Path("c.safetensors").write_bytes(b"\0" * 20)
    for name in ("a.onnx", "b.onnx", "c.safetensors", "missing.onnx"):
        assert exit_code(["map", name, "scene.tif"]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    broken = graph()
    broken.graph.node[2].op_type = "Nothing"
    with pytest.raises(UserError, match=r"onnxruntime .* cannot run it"):
        eurosat_cls.load(written(broken, card()))


def test_without_its_packages_the_line_that_installs_them_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(graph(), card())
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'eurosat-cls\[export\]'"):
        eurosat_cls.load(path)


def test_another_size_than_a_fixed_one_is_refused() -> None:
    model = graph()
    for place in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_value = 64
    loaded = eurosat_cls.load(written(model, card()))
    assert len(loaded.predict(np.ones((2, 3, 64, 64), np.uint8)).names) == 2
    with pytest.raises(UserError, match="takes patches of 64x64 pixels"):
        loaded.predict(np.ones((2, 3, 32, 32), np.uint8))


def test_a_file_tells_describe_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    path = written(graph(), card())
    assert read_checkpoint(path)["data"]["patch_size"] == 64
    assert exit_code(["describe", str(path)]) == 0
    assert "Forest, River, Residential" in capsys.readouterr().out
