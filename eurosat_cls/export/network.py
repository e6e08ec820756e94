"""What is exported: a network from raw values to logits and probabilities, and the program that torch makes of it."""

import re
import warnings
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from eurosat_cls.models.autoencoder import AutoEncoder
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.network import connect
from eurosat_cls.utils.errors import UserError

Model = Classifier | AutoEncoder
_OPERATOR = re.compile(r"aten[.:]+[\w.]+|torchvision[.:]+[\w.]+")


class Portable(nn.Module):
    """A trained model from raw values to its outputs, one view.

    Args:
        model: a Classifier gives ``logits`` and ``probabilities``, calibrated where it is set so; an AutoEncoder the
            ``features`` of its encoder.
        features: whether a Classifier gives ``features`` too.
    """

    def __init__(self, model: Model, features: bool = False) -> None:
        super().__init__()
        self.model = model
        self.features = features or isinstance(model, AutoEncoder)

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs, in order."""
        answers = [] if isinstance(self.model, AutoEncoder) else ["logits", "probabilities"]
        return answers + ["features"] * self.features

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Raw ``[B, C, H, W]`` of the training's dtype -> float32 ``[B, K]`` twice, and ``[B, D]``."""
        model = self.model
        normalised = model.normalize(image.float())
        if isinstance(model, AutoEncoder):
            return (model.encoder(normalised).float(),)
        if self.features and model.decoder.takes == "features":
            features: Tensor = model.encoder(normalised)
            logits = model.decoder(features)
        else:
            logits = connect(model.encoder, model.decoder, normalised)
            features = model.encoder(normalised) if self.features else logits
        logits = logits.float()
        answers = logits, model.postprocessing.probabilities(logits)
        return (*answers, features.float()) if self.features else answers


def sample_of(model: Model, side: int, count: int = 2) -> Tensor:
    """Draw patches ``[count, C, side, side]`` in a model's unit, of its means and deviations."""
    dtype = getattr(torch, model.input_check.unit.dtype)
    channels = len(model.bands)
    mean, std = (torch.tensor(model.hparams.get(name) or [value] * channels)[:, None, None]
                 for name, value in (("mean", 100.0), ("std", 30.0)))  # fmt: skip
    values = torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(0)) * std + mean
    if not dtype.is_floating_point:
        values = values.round().clamp(0, torch.iinfo(dtype).max)
    return values.to(dtype)


def exported(
    network: nn.Module, sample: Tensor, encoder: str, free: Literal["all", "batch", "none"]
) -> ExportedProgram:
    """Return a network as a program of torch's operators, without a trace of this machine.

    Args:
        network: takes ``image``.
        sample: an input.
        encoder: its name, for errors.
        free: whether the number of patches is free and, for ``all``, their size too, where the network takes any.

    Raises:
        UserError: when torch cannot follow what the network does.
    """
    sizes = {0: Dim.DYNAMIC, 2: Dim.AUTO, 3: Dim.AUTO} if free == "all" else {0: Dim.DYNAMIC}
    shapes = None if free == "none" else {"image": sizes}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about itself
            program: ExportedProgram = torch.export.export(network.eval(), (sample,), dynamic_shapes=shapes)
            program = program.run_decompositions({})
    except Exception as error:  # torch has no class in common for what it cannot follow
        raise not_exportable(encoder, "torch.export", error) from error
    for node in program.graph.nodes:
        for key in ("stack_trace", "source_fn_stack", "from_node", "nn_module_stack", "torch_fn"):
            node.meta.pop(key, None)
    return program


def takes_any_size(program: ExportedProgram) -> bool:
    """Whether height and width of a program's image are free."""
    image = next(node for node in program.graph.nodes if node.name == "image").meta["val"]
    return not any(isinstance(side, int) for side in image.shape[2:])


def not_exportable(encoder: str, how: str, error: BaseException) -> UserError:
    """Return an error that names the encoder and, where it is known, the operator."""
    texts = [str(each) for each in _chain(error)]
    operator = next((found[0] for text in texts if (found := _OPERATOR.search(text))), None)
    lines = [line.strip() for line in texts[-1].splitlines() if line.strip()]
    if any("Constraints violated" in text for text in texts):
        reason = "it fixes the number of patches, as len(x) does where x.shape[0] does not"
    else:
        reason = f"operator {operator}" if operator else (lines or [type(error).__name__])[0][:150]
    return UserError(f"{encoder} cannot be exported by {how} ({reason}); --format safetensors takes every encoder.")


def _chain(error: BaseException | None) -> list[Any]:
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__
    return found
