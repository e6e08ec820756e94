"""A program in the files of ONNX, torch.export and safetensors, each with the card of its model inside."""

import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch.export import ExportedProgram

from eurosat_cls.checkpoints.portable import EVIDENCE, KEY
from eurosat_cls.export.network import Model, not_exportable
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.utils.errors import UserError

OPSET = 21  # the newest that onnxruntime 1.20 of November 2024 reads
OPSETS = range(18, 24)  # what torch writes, and onnxruntime of today reads
_LARGEST = 2**31 - 2**20  # bytes of a protocol buffer


def write_onnx(
    path: Path, program: ExportedProgram, outputs: Sequence[str], metadata: Mapping[str, str], encoder: str,
    opset: int = OPSET, ir_version: int = 10,
) -> None:  # fmt: skip
    """Write a program as one ONNX file, without paths of this machine.

    Raises:
        UserError: naming the operator that ONNX does not have.
    """
    import onnx

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # what torch and onnxscript say of themselves
            warnings.simplefilter("ignore")
            made = torch.onnx.export(program, dynamo=True, opset_version=opset, external_data=False, verbose=False,
                                     input_names=["image"], output_names=list(outputs))  # fmt: skip
        assert made is not None
        model = made.model_proto
    except Exception as error:
        raise not_exportable(encoder, "torch.onnx", error) from error
    if model.opset_import[0].version != opset:
        raise UserError(f"--opset {opset}: {encoder} needs {model.opset_import[0].version}.")
    _strip(model)
    model.ir_version, model.producer_name, model.producer_version = ir_version, "eurosat_cls", ""
    onnx.helper.set_model_props(model, dict(metadata))
    if model.ByteSize() > _LARGEST:
        raise UserError(f"{encoder}: its weights take {model.ByteSize() / 1e9:.1f} GB, and one ONNX file holds 2.")
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _strip(model: Any) -> None:
    """Leave names and shapes of inputs and outputs, and nothing that tells where and of what code a graph was made."""
    graph = model.graph
    graph.name = "eurosat_cls"
    del graph.value_info[:]
    del graph.metadata_props[:], model.metadata_props[:]
    for number, node in enumerate(graph.node):
        del node.metadata_props[:]
        node.doc_string, node.name = "", f"{node.op_type}_{number}"
    for each in (*graph.initializer, *graph.input, *graph.output):
        each.doc_string = ""
        if hasattr(each, "metadata_props"):
            del each.metadata_props[:]
    names: dict[str, str] = {}
    for dim, name in zip(graph.input[0].type.tensor_type.shape.dim, ("batch", "bands", "height", "width")):
        names.setdefault(dim.dim_param, name)
    for each in (*graph.input, *graph.output):
        for dim in each.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = names.get(dim.dim_param, dim.dim_param)


def write_program(path: Path, program: ExportedProgram, metadata: Mapping[str, str]) -> None:
    """Write a program as ``torch.export.load`` reads it, with metadata as extra files."""
    stream = io.BytesIO()
    torch.export.save(program, stream, extra_files=dict(metadata))
    path.write_bytes(stream.getvalue())


def write_safetensors(path: Path, model: Model, card: str) -> None:
    """Write a model's weights with its card, as :func:`eurosat_cls.load` reads them."""
    kept = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("loss.")}
    if isinstance(model, Classifier) and model.evidence is not None:
        kept |= {f"{EVIDENCE}.{name}": tensor for name, tensor in model.evidence.plain().items()}
    state = {name: tensor.detach().contiguous().clone() for name, tensor in kept.items()}
    path.write_bytes(save(state, metadata={KEY: card, "format": "pt"}))


def write_statistics(path: Path, tensors: Mapping[str, torch.Tensor], card: str) -> None:
    """Write the tensors of :class:`~eurosat_cls.models.evidence.Evidence` by their names, with the model's card."""
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata={KEY: card}))
