"""Classifiers of timm as encoders; timm itself is imported when one is built."""

import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from eurosat_cls.checkpoints.tensors import read_tensors
from eurosat_cls.encoders.backbones.base import Backbone, check_arguments, unknown_argument
from eurosat_cls.encoders.backbones.weights import is_file_name, is_reachable, load_into, without_prefix
from eurosat_cls.encoders.first_layer import FirstLayer, adapt_first_layers
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import nearest
from eurosat_cls.utils.network import online

TAKEN = {
    "num_classes": "follows from the data; the head of the network is not used",
    "in_chans": "follows from the data",
    **dict.fromkeys(("features_only", "out_indices"), "does not fit, as an encoder gives its last feature map only"),
    **dict.fromkeys(
        ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path"),
        "is the setting `weights`, beside `arguments`",
    ),
}
# Children that hold a head's own layers, in the networks that have such.
HEAD = ("head", "conv_head", "norm_head", "in_conv", "pre_classifier", "pre_logits")


class TimmBackbone(Backbone):
    """Encode patches with any classifier of timm.

    The head is removed; features are what the network hands to its last linear layer, so that the network's own
    pooling, class token and norms count. A hidden layer before that which changes the number of features (MobileNetV3,
    GhostNet, VGG and others) is removed too, and the features are then the mean over the last feature map.

    Patches are normalised with the statistics of the data set, like those of every encoder here, not with ImageNet's.
    Most networks halve the resolution five times: of 64x64 pixels, a map of 2x2 remains; ``resize`` makes more of them.
    A ViT, EVA or Swin is built to take any size (``dynamic_img_size``) unless ``arguments`` give ``img_size``; other
    networks of a fixed size need ``img_size`` or ``resize``.

    Args:
        in_channels: ``C`` of any number.
        name: such as ``convnext_atto``; with a tag, such as ``convnext_atto.d2_in1k``, to choose among weights.
        weights: None to start from scratch; ``DEFAULT`` (or true) for timm's weights of that name, downloaded once; or
            a file with a state dict in timm's names (.safetensors, .pth or .pt).
        bands: names of the channels; the command line fills them in.
        first_layer: how the weights' first layer is carried over to other channels, see
            :func:`~eurosat_cls.encoders.first_layer.adapt_filters`.
        resize: pixels on both sides to which patches are stretched first, bilinearly.
        arguments: more arguments for ``timm.create_model``, such as ``drop_path_rate`` or ``img_size``.

    Raises:
        UserError: when timm is not installed; for an unknown name or argument, weights that cannot be had or do not
            fit, and for ``bands`` that ``first_layer`` cannot use.

    Source: Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models, 2019.
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
        entrypoint = _find_entrypoint(name)
        path = weights if isinstance(weights, str) and is_file_name(weights) else None
        if isinstance(weights, str) and not path and weights != "DEFAULT":
            raise UserError(
                f"weights: {weights!r} is no file, nor DEFAULT. Other weights of timm have a tag in the `name`: "
                f"{_tags(name) or 'but there are none for ' + name}."
            )
        state = read_tensors(path) if path else None  # a mistake there is told before the network is built
        channels = 3 if weights else in_channels
        self.model = _build(entrypoint, name, bool(weights) and not path, channels, arguments or {})
        layers = _first_layers(self.model, name) if weights else []
        if state is not None and path is not None:
            state = _convert(entrypoint, self.model, without_prefix(state, self.model.state_dict()))
        self.out_features = self.model.num_features
        self._pools = _cut_head(self.model)
        if state is not None:
            self._load(state, layers, str(path))
        if weights:
            adapt_first_layers(layers, in_channels, bands, first_layer)

    def _load(self, state: dict[str, Tensor], layers: list[nn.Conv2d], path: str) -> None:
        names = {module: name for name, module in self.model.named_modules()}
        for layer in layers:
            first = state.get(f"{names[layer]}.weight")
            if first is not None and first.ndim == 4 and first.shape[1] != layer.in_channels:
                adapt_first_layers([layer], first.shape[1], mode="mean")  # to the shape in the file
        classifier = self.model.default_cfg.get("classifier") or ()
        heads = (*HEAD, *([classifier] if isinstance(classifier, str) else classifier))
        load_into(self.model, state, tuple(f"{h}." for h in heads), path, self.name)

    def _map(self, x: Tensor) -> Tensor:
        features = self.model.forward_features(x)
        if isinstance(features, Tensor) and features.ndim == 4:
            return self._channels_first(features)
        try:  # tokens: the library knows where their grid is
            maps = self.model.forward_intermediates(x, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True)
        except (AttributeError, TypeError) as error:
            raise UserError(f"{self.name} has no single feature map, which is asked of it here.") from error
        last: Tensor = maps[-1]
        return last

    def _vector(self, x: Tensor) -> Tensor:
        features = self.model.forward_features(x)
        if self._pools:
            return self._channels_first(features).mean((2, 3))
        vector: Tensor = self.model.forward_head(features, pre_logits=True)
        return vector

    def pool(self, feature_map: Tensor) -> Tensor:
        """Map ``[B, D, h, w]`` -> features ``[B, D]``: the network's own pooling, where it is kept.

        Raises:
            UserError: for networks of tokens, which pool those.
        """
        if self._pools:
            return feature_map.mean((2, 3))
        channels_last = getattr(self.model, "output_fmt", "NCHW") == "NHWC"
        given = feature_map.permute(0, 2, 3, 1) if channels_last else feature_map
        try:
            vector: Tensor = self.model.forward_head(given, pre_logits=True)
        except RuntimeError:  # a norm of tokens
            vector = given
        if vector.shape != feature_map.shape[:2]:
            raise UserError(f"{self.name}: the features are pooled from tokens, not from the map.")
        return vector

    def _channels_first(self, features: Tensor) -> Tensor:
        return features if features.shape[1] == self.out_features else features.permute(0, 3, 1, 2)


def _find_entrypoint(name: str) -> Callable[..., nn.Module]:
    try:
        import timm
    except ImportError as error:
        raise UserError("TimmBackbone needs timm: pip install 'eurosat-cls[timm]'") from error
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise UserError(
            f"timm has no model {name!r}; the nearest are {', '.join(nearest(name, timm.list_models(), 5, 0.0))}."
        )
    if tag and name not in timm.list_pretrained(f"{architecture}.*"):
        raise UserError(f"timm has no model {name!r}; {architecture} has the tags {_tags(name) or 'none'}.")
    entrypoint: Callable[..., nn.Module] = timm.model_entrypoint(architecture)
    return entrypoint


def _tags(name: str) -> str:
    import timm

    return ", ".join(timm.list_pretrained(name.partition(".")[0] + ".*"))


def _parameters(entrypoint: Callable[..., nn.Module]) -> list[str]:
    """Arguments of the class that an entry point builds; none where it does not say."""
    kind = inspect.signature(entrypoint).return_annotation
    known = inspect.signature(kind).parameters if inspect.isclass(kind) and issubclass(kind, nn.Module) else {}
    return [k for k, p in known.items() if p.kind is not p.VAR_KEYWORD and k not in TAKEN]


def _build(
    entrypoint: Callable[..., nn.Module], name: str, download: bool, channels: int, arguments: dict[str, Any]
) -> nn.Module:
    import timm

    check_arguments(arguments, (), TAKEN, name)
    known = _parameters(entrypoint)
    if not {"img_size", "strict_img_size"} & arguments.keys():
        if "dynamic_img_size" in known:
            arguments = {"dynamic_img_size": True, **arguments}
        elif "strict_img_size" in known:  # Swin before timm 1.0.31
            arguments = {"strict_img_size": False, **arguments}
    if download and not timm.is_model_pretrained(name):
        raise UserError(f"weights: timm has none for {name}. It has them for {_tags(name) or 'no tag of it'}.")
    published = timm.get_pretrained_cfg(name)
    place = f"https://huggingface.co/{(published and published.hf_hub_id) or f'timm/{name}'}"
    if download:
        print(f"weights: {place}", file=sys.stderr)
    try:
        with _quiet_hub(download), online(download):
            model: nn.Module = timm.create_model(
                name, pretrained=download, num_classes=0, in_chans=channels, **arguments
            )
    except TypeError as error:
        if (unknown := re.search(r"unexpected keyword argument '(\w+)'", str(error))) and known:
            raise UserError(unknown_argument(name, unknown[1], known)) from error
        if fixed := re.search(r"multiple values for (?:keyword )?argument '(\w+)'", str(error)):
            raise UserError(f"arguments: {fixed[1]} is what makes {name} what it is, and cannot be changed.") from error
        raise UserError(f"arguments: {name}: {error}") from error
    except Exception as error:  # of the hub's client, of its own client, of the network
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0][:150]
        if not download:
            raise UserError(f"arguments: {name}: {reason}") from error
        raise UserError(
            f"weights: cannot download those of {name} ({reason}). Download them elsewhere, e.g. model.safetensors of "
            f"{place}, and give the path of the file as `weights`."
        ) from error
    return model


@contextmanager
def _quiet_hub(download: bool = False) -> Iterator[None]:
    """Silence the hub's client, which tells of every attempt; let it look into its cache only where none can work."""
    logger, settings = logging.getLogger("huggingface_hub"), import_module("huggingface_hub").constants
    level, offline = logger.level, settings.HF_HUB_OFFLINE
    logger.setLevel(logging.ERROR)
    settings.HF_HUB_OFFLINE = offline or (download and not is_reachable(settings.ENDPOINT))
    try:
        yield
    finally:
        logger.setLevel(level)
        settings.HF_HUB_OFFLINE = offline


def _first_layers(model: Any, name: str) -> list[nn.Conv2d]:
    """Convolutions that see the input."""
    names = model.default_cfg.get("first_conv") or ()
    layers = [model.get_submodule(n) for n in ([names] if isinstance(names, str) else names)]
    if not layers or not all(isinstance(layer, nn.Conv2d) and layer.weight.shape[1] == 3 for layer in layers):
        raise UserError(f"weights: the first layer of {name} is no plain convolution over bands; leave out weights.")
    return layers


def _convert(entrypoint: Callable[..., nn.Module], model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Let timm bring tensors to the network's names and sizes, as it does with what it downloads."""
    convert = getattr(sys.modules[entrypoint.__module__], "checkpoint_filter_fn", None)
    converted: dict[str, Tensor] = convert(state, model) if convert is not None else state
    return converted


def _cut_head(model: Any) -> bool:
    """Remove hidden layers of a head that change the number of features; return whether there were any."""
    if model.head_hidden_size == model.num_features:
        return False
    for child in HEAD:
        if hasattr(model, child):
            setattr(model, child, nn.Identity())
    return True
