"""A classifier whose network is an ONNX file, run by onnxruntime."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eurosat_cls.encoders import Encoder
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.utils.errors import UserError

_TYPES = {"tensor(uint8)": "uint8", "tensor(uint16)": "uint16", "tensor(int16)": "int16", "tensor(float)": "float32"}


class OnnxNetwork(Encoder):
    """Stands for the network of an exported model, which runs as a whole only.

    Args:
        in_channels: bands ``C``.
        sha256: of the file's bytes.
    """

    out_features = 1

    def __init__(self, in_channels: int, sha256: str) -> None:
        super().__init__()
        self.sha256 = sha256

    def forward_map(self, x: Tensor) -> Tensor:
        """Refuse.

        Raises:
            UserError: always.
        """
        raise UserError("An ONNX model runs as a whole: what is inside of it is seen with the checkpoint only.")

    def forward(self, x: Tensor) -> Tensor:
        """Refuse as ``forward_map``."""
        return self.forward_map(x)

    def pool(self, feature_map: Tensor) -> Tensor:
        """Refuse as ``forward_map``."""
        return self.forward_map(feature_map)

    def extra_repr(self) -> str:
        """Tell one file from another."""
        return self.sha256


class ExportedNetwork(Classifier):
    """Classify with the network of an exported file on the CPU; thresholds, views and probabilities as ever.

    Args:
        graph: bytes of the ONNX file.
        where: its name, for errors.
        settings: arguments of the :class:`Classifier` that is not its network.

    Raises:
        UserError: for a network that onnxruntime does not take, or that has other inputs and outputs than ours.
    """

    def __init__(self, graph: bytes, where: str, settings: Mapping[str, Any]) -> None:
        network: Callable[[int], Encoder] = partial(OnnxNetwork, sha256=hashlib.sha256(graph).hexdigest())
        super().__init__(network, **settings)
        self.session, self.where = _session(graph, where), where
        (image, *others), outputs = (
            self.session.get_inputs(),
            {out.name: out.shape for out in self.session.get_outputs()},
        )
        logits = outputs.get("logits") or [None]
        if others or len(image.shape) != 4 or image.shape[1] != len(self.bands) or image.type not in _TYPES:
            raise UserError(f"{where}: refused, its input is not [N, {len(self.bands)}, H, W] of the bands it names.")
        if len(logits) != 2 or logits[1] != self.rules.outputs:
            raise UserError(f"{where}: refused, it gives no logits for the {len(self.class_names)} classes it names.")
        self.image_name, self.image_shape, self.dtype_name = image.name, image.shape, _TYPES[image.type]

    def forward(self, image: Tensor) -> Tensor:
        """Raw ``[B, C, H, W]`` -> logits ``[B, K]``.

        Raises:
            UserError: for another size than a fixed one, and values that the file's data type does not hold.
        """
        sides = self.image_shape[2:]
        if any(isinstance(there, int) and there != here for there, here in zip(sides, image.shape[2:], strict=True)):
            raise UserError(f"{self.where} takes patches of {sides[0]}x{sides[1]} pixels, not {list(image.shape[2:])}.")
        raw = image.detach().cpu().numpy()
        values = np.ascontiguousarray(raw.astype(self.dtype_name))
        if self.dtype_name != "float32" and not np.array_equal(values, raw):
            raise UserError(f"{self.where} takes raw values in {self.dtype_name}, which these are not.")
        (logits,) = self.session.run(["logits"], {self.image_name: values})
        return torch.from_numpy(logits).to(image.device)


def _session(graph: bytes, where: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # in C, with names of the file as they are
    providers: Sequence[str] = ["CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(graph, options, providers=providers)
    except Exception as error:  # onnxruntime has a class for each reason, without a common one
        reason = str(error).splitlines()[0][:150]
        raise UserError(f"{where}: onnxruntime {onnxruntime.__version__} cannot run it ({reason}).") from None
