"""Classifiers of torchvision as encoders."""

import inspect
import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eurosat_cls.checkpoints.tensors import read_tensors
from eurosat_cls.encoders.backbones.base import Backbone, check_arguments
from eurosat_cls.encoders.backbones.weights import is_file_name, is_reachable, load_into, without_prefix
from eurosat_cls.encoders.first_layer import FirstLayer, adapt_first_layers
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import nearest
from eurosat_cls.utils.network import online

# Children of a network that come after the last feature map, and those that only help to train it.
HEAD = ("avgpool", "dropout", "flatten", "classifier", "fc", "head", "heads")
SIDE = ("AuxLogits", "aux1", "aux2")
TAKEN = {
    "num_classes": "follows from the data; the head of the network is not used",
    "weights": "is a setting of TorchvisionBackbone itself, beside `arguments`",
    "progress": "is not for the network",
    "aux_logits": "has no effect, as only the last feature map is used",
    "transform_input": "would undo the normalisation",
}
# Arguments that builders use up before they call the class.
MORE_ARGUMENTS = {"MobileNetV3": ("width_mult", "reduced_tail", "dilated")}


class TorchvisionBackbone(Backbone):
    """Encode patches with any classifier of ``torchvision.models``.

    The head is removed. Features are the mean over the last feature map, normalised where the network's own head
    begins with that (ConvNeXt, MaxViT); a ViT gives its class token, and its patch tokens as the map. AlexNet, VGG,
    SqueezeNet and MobileNetV3 lose all layers of their classifiers, which in VGG hold nine tenths of the parameters.

    Patches are normalised with the statistics of the data set, like those of every encoder here, not with ImageNet's.
    Most networks halve the resolution five times: of 64x64 pixels, a map of 2x2 remains. ``resize`` makes more of them,
    and is needed by MaxViT (224) and Inception (75 or more). A ViT resamples its position embeddings to other sizes
    than ``image_size`` in ``arguments``, by default 224.

    Args:
        in_channels: ``C`` of any number.
        name: such as ``resnet50``.
        weights: None to start from scratch; ``DEFAULT`` (or true) or the name of other weights of torchvision, such as
            ``IMAGENET1K_V1``, which are downloaded once; or a file with a state dict (.pth, .pt or .safetensors).
        bands: names of the channels; the command line fills them in.
        first_layer: how the weights' first layer is carried over to other channels, see
            :func:`~eurosat_cls.encoders.first_layer.adapt_filters`.
        resize: pixels on both sides to which patches are stretched first, bilinearly.
        arguments: more arguments for the network, in torchvision's words, such as ``dropout`` or ``image_size``.

    Raises:
        UserError: for an unknown name or argument, weights that cannot be had or do not fit, and for ``bands`` that
            ``first_layer`` cannot use.

    Source: https://pytorch.org/vision/stable/models.html (Marcel and Rodriguez 2010, ACM Multimedia).

    Example:
        >>> encoder = TorchvisionBackbone(13, "squeezenet1_1")
        >>> encoder(torch.zeros(2, 13, 64, 64)).shape, encoder.forward_map(torch.zeros(2, 13, 64, 64)).shape
        (torch.Size([2, 512]), torch.Size([2, 512, 3, 3]))
    """

    def __init__(
        self,
        in_channels: int,
        name: str,
        weights: str | bool | None = None,
        bands: Sequence[str] | None = None,
        first_layer: FirstLayer = "auto",
        resize: int | None = None,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name, resize, weights, first_layer)
        builder = _find_builder(name)
        # Before the network: a mistake here is told at once.
        state = _find_weights(builder, name, weights) if weights else None
        self.model = _build(builder, name, arguments or {})
        self._is_vit = hasattr(self.model, "class_token")
        self._ends_in_relu = type(self.model).__name__ == "DenseNet"  # it has none as a module
        self._path, self.out_features = _cut_head(self.model)
        conv = next(m for m in self.model.modules() if isinstance(m, nn.Conv2d))
        if state is not None:
            state = without_prefix(state, self.model.state_dict())
            self._load(state, conv, str(weights))
            adapt_first_layers([conv], in_channels, bands, first_layer)
        elif in_channels != conv.in_channels:
            adapt_first_layers([conv], in_channels, mode="random")

    def _load(self, state: dict[str, Tensor], conv: nn.Conv2d, source: str) -> None:
        first = next(k for k, module in self.model.named_modules() if module is conv) + ".weight"
        if first in state and state[first].ndim == 4 and state[first].shape[1] != conv.in_channels:
            adapt_first_layers([conv], state[first].shape[1], mode="mean")  # to the shape in the file
        # Old files name the layers of a DenseNet "norm.1" instead of "norm1".
        state = {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", key): v for key, v in state.items()}
        positions = "encoder.pos_embedding"
        if self._is_vit and positions in state:
            state[positions] = _resample_positions(state[positions], _grid(self.model.encoder.pos_embedding))
        load_into(self.model, state, (*(f"{h}." for h in HEAD), *(f"{s}." for s in SIDE)), source, self.name)

    def _map(self, x: Tensor) -> Tensor:
        if self._is_vit:
            tokens, height, width = self._tokens(x)
            # [B, 1 + h*w, D] -> [B, D, h, w]
            return tokens[:, 1:].transpose(1, 2).reshape(x.shape[0], -1, height, width)
        for part in self._path:
            child = getattr(self.model, part)
            for layer in child if isinstance(child, nn.ModuleList) else (child,):
                x = layer(x)
        return F.relu(x, inplace=True) if self._ends_in_relu else x

    def _vector(self, x: Tensor) -> Tensor:
        if self._is_vit:
            return self._tokens(x)[0][:, 0]
        return self.pool(self._map(x))

    def pool(self, feature_map: Tensor) -> Tensor:
        """Map ``[B, D, h, w]`` -> features ``[B, D]``: the mean, normalised where the network's head begins so.

        Raises:
            UserError: for a ViT, whose class token is no part of the map.
        """
        if self._is_vit:
            raise UserError(f"{self.name}: the features are the class token, which is no part of the map.")
        features: Tensor = self.model.get_submodule("classifier")(feature_map.mean((2, 3), keepdim=True))
        return features.flatten(1)

    def _tokens(self, x: Tensor) -> tuple[Tensor, int, int]:
        """Class token and patch tokens ``[B, 1 + h*w, D]`` of a ViT, and ``h``, ``w``."""
        model: Any = self.model
        x = model.conv_proj(x)
        size = (x.shape[2], x.shape[3])
        tokens = torch.cat([model.class_token.expand(x.shape[0], -1, -1), x.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + _resample_positions(model.encoder.pos_embedding, size)
        encoded: Tensor = model.encoder.ln(model.encoder.layers(model.encoder.dropout(tokens)))
        return encoded, *size


def _find_builder(name: str) -> Callable[..., nn.Module]:
    from torchvision import models

    names = models.list_models(module=models)
    if name not in names:
        raise UserError(
            f"torchvision.models has no classifier {name!r}; the nearest are {', '.join(nearest(name, names, 5, 0.0))}."
        )
    builder: Callable[..., nn.Module] = models.get_model_builder(name)
    return builder


@online()
def _find_weights(builder: Callable[..., nn.Module], name: str, weights: str | bool) -> dict[str, Tensor]:
    """Tensors of a file, or of torchvision's weights."""
    if isinstance(weights, str) and is_file_name(weights):
        return read_tensors(weights)
    from torchvision.models import get_model_weights

    named = get_model_weights(builder)
    key = weights.rpartition(".")[2] if isinstance(weights, str) else "DEFAULT"
    if key not in named.__members__:
        raise UserError(f"{name} has no weights {weights!r}; it has {', '.join(named.__members__)}. A file also works.")
    kept = Path(torch.hub.get_dir()) / "checkpoints" / Path(named[key].url).name
    try:
        if not kept.is_file() and not is_reachable(named[key].url):
            raise OSError("the server does not answer")
        state: dict[str, Tensor] = named[key].get_state_dict(check_hash=True, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError) as error:  # no network, no such address, a damaged download
        raise UserError(
            f"weights: cannot download {named[key].url} ({str(error).splitlines()[0][:150]}). "
            "Download it elsewhere and give the path of the file as `weights`."
        ) from error
    return state


def _build(builder: Callable[..., nn.Module], name: str, arguments: dict[str, Any]) -> nn.Module:
    kind = inspect.signature(builder).return_annotation
    known = inspect.signature(kind).parameters
    allowed = [key for key in known if known[key].kind is not inspect.Parameter.VAR_KEYWORD and key not in TAKEN]
    check_arguments(arguments, [*allowed, *MORE_ARGUMENTS.get(kind.__name__, ())], TAKEN, name)
    quiet = {"aux_logits": False, "init_weights": True} if "aux_logits" in known else {}
    try:
        return builder(**quiet | arguments)
    except TypeError as error:
        if (fixed := re.search(r"multiple values for (?:keyword )?argument '(\w+)'", str(error))) is None:
            raise UserError(f"arguments: {name}: {error}") from error
        raise UserError(f"arguments: {fixed[1]} is what makes {name} what it is, and cannot be changed.") from error
    except (ValueError, AssertionError) as error:
        raise UserError(f"arguments: {name}: {error}") from error


def _cut_head(model: nn.Module) -> tuple[list[str], int]:
    """Remove what follows the last feature map; return the children that lead to it and its channels ``D``.

    What remains of the head is the child ``classifier``: its layers before the first linear one, which are there to
    normalise the pooled map.
    """
    children = dict(model.named_children())
    layers = [m for h in HEAD if h in children for m in children[h].modules()]
    first = next(m for m in layers if isinstance(m, (nn.Linear, nn.Conv2d)))
    channels = first.in_features if isinstance(first, nn.Linear) else first.in_channels
    if isinstance(pool := children.get("avgpool"), nn.AdaptiveAvgPool2d):  # AlexNet and VGG flatten the map
        size: Any = pool.output_size
        height, width = (size, size) if isinstance(size, int) else size
        channels //= (height or 1) * (width or 1)
    for name in (*HEAD, *SIDE):
        if name in children:
            delattr(model, name)
    old = children.get("classifier")
    kept = itertools.takewhile(
        lambda layer: not isinstance(layer, (nn.Linear, nn.Conv2d, nn.Dropout)),
        old if isinstance(old, nn.Sequential) else (),
    )
    path = [name for name, _ in model.named_children()]
    model.add_module("classifier", nn.Sequential(*kept))
    return path, channels


def _grid(positions: Tensor) -> tuple[int, int]:
    """Rows and columns of position embeddings ``[1, 1 + side * side, D]``."""
    side = round((positions.shape[1] - 1) ** 0.5)
    return side, side


def _resample_positions(positions: Tensor, size: tuple[int, int]) -> Tensor:
    """Position embeddings ``[1, 1 + side * side, D]`` of a class token and a square grid -> ``[1, 1 + h*w, D]``.

    The interpolation is bicubic and antialiased. It is written as a product with matrices, as its gradient is then
    deterministic on every device.
    """
    old = _grid(positions)
    if old == size:
        return positions
    with torch.no_grad():
        rows, columns = (
            F.interpolate(
                torch.eye(old[0], device=positions.device)[None, None], (new, old[0]), mode="bicubic", antialias=True
            )[0, 0]
            for new in size
        )
    token, grid = positions[:, :1], positions[:, 1:].reshape(len(positions), *old, -1)
    moved = torch.einsum("hi,bijd,wj->bhwd", rows.to(grid), grid, columns.to(grid))
    return torch.cat([token, moved.flatten(1, 2)], 1)
