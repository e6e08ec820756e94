"""Where in a patch a network finds what it says: Grad-CAM, and attention rollout.

Shape legend: B patches, C bands, D features, h w map size, K logits, V views, L layers, S tokens.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from eurosat_cls.decoders import Decoder
from eurosat_cls.encoders import Encoder, Tokens
from eurosat_cls.models.network import connect
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.modules import evaluating

TOLERANCE = 0.01  # of the largest logit: rounding on a GPU stays below it, another way of pooling does not


class NoMap(UserError):
    """An encoder does not have the maps that are asked for."""


@contextmanager
def inspecting(module: nn.Module) -> Iterator[None]:
    """Look into a network in evaluation mode, uncompiled, with gradients possible; then leave it as it was found."""
    # A test runs in inference mode, in which no gradient can be had. Compiling for a few patches would take longer
    # than all of the rest.
    with evaluating(module), torch.inference_mode(False), torch.compiler.set_stance("force_eager"):
        yield


def grad_cam(encoder: Encoder, decoder: Decoder, image: Tensor, targets: Tensor) -> Tensor:
    """Return where the evidence for targets lies, by Grad-CAM with the encoder's map as the target layer.

    For the map ``A`` and the target ``y``, a weighted sum of the logits,
    ``L_ij = ReLU(sum_d w_d A_dij)`` with ``w_d = 1 / (h w) sum_ij dy / dA_dij``.

    The map is computed once without gradients, and gradients go from the logits to the map only: those of parameters
    stay untouched, and no hook is needed. For that the encoder's ``pool`` must lead from its map to its features, which
    is checked.

    Args:
        encoder: in evaluation mode.
        decoder: in evaluation mode.
        image: ``[B, C, H, W]`` normalised patches.
        targets: ``[V, B, K]`` float: by how much each logit speaks for what is looked for; 1 for a class and 0 for
            the others, -1 for its absence.

    Returns:
        ``[V, B, h, w]`` float32, not negative: what each cell's features add to the evidence.

    Raises:
        NoMap: for an encoder without a map, or whose features do not follow from it.
        UserError: for logits that are no numbers.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV
    2017, equations 1 and 2; evidence against a class by negated gradients, as in their counterfactual explanations.

    Example:
        >>> from eurosat_cls.decoders import LinearHead
        >>> from eurosat_cls.encoders import ResNet
        >>> encoder, decoder = ResNet(3, widths=(8, 16), blocks=(1, 1)).eval(), LinearHead(16, 10).eval()
        >>> for_class_4 = torch.eye(10)[[4, 4]]
        >>> grad_cam(encoder, decoder, torch.rand(2, 3, 64, 64), torch.stack([for_class_4, -for_class_4])).shape
        torch.Size([2, 2, 16, 16])
    """
    with torch.no_grad():
        activations = feature_map(encoder, image)
        logits = connect(encoder, decoder, image).float()
    with torch.enable_grad():
        leaf = activations.detach().clone().requires_grad_()
        # A copy goes on, as a layer that works in place may follow.
        again = decoder(_decoder_input(encoder, decoder, leaf.clone())).float()
        _check_same(encoder, again.detach(), logits)
        gradients = [torch.autograd.grad((again * target).sum(), leaf, retain_graph=True)[0] for target in targets]
    maps = [(gradient.mean((2, 3), keepdim=True) * activations).sum(1).relu() for gradient in gradients]
    return torch.stack(maps).detach().float()


def feature_map(encoder: Encoder, image: Tensor) -> Tensor:
    """Return the encoder's map ``[B, D, h, w]``.

    Raises:
        NoMap: where it has none.
    """
    try:
        found = encoder.forward_map(image)
    except NotImplementedError as error:
        raise NoMap(f"{type(encoder).__name__} has no feature map.") from error
    except UserError as error:
        raise NoMap(str(error)) from error
    if found.ndim != 4 or len(found) != len(image):
        raise NoMap(f"{type(encoder).__name__} has no feature map [B, D, h, w], but {list(found.shape)}.")
    return found


def _decoder_input(encoder: Encoder, decoder: Decoder, found: Tensor) -> Tensor | Tokens:
    if decoder.takes == "features":
        try:
            return encoder.pool(found)
        except UserError as error:
            raise NoMap(str(error)) from error
    return found if decoder.takes == "map" else Tokens(found.flatten(2).transpose(1, 2))


def _check_same(encoder: Encoder, again: Tensor, logits: Tensor) -> None:
    if not logits.isfinite().all():
        raise UserError("the logits are no numbers.")
    if again.shape != logits.shape or (again - logits).abs().max() > TOLERANCE * logits.abs().max():
        raise NoMap(f"{type(encoder).__name__}: pool does not lead from its map to what it gives the decoder.")


def attention_of(encoder: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """Return the encoder's method ``attention``, from patches to ``[B, L, S, S]``; None where it has no such method."""
    method = getattr(encoder, "attention", None)
    return method if inspect.ismethod(method) else None  # not a layer of that name


def attention_received(encoder: Encoder, image: Tensor) -> Tensor:
    """Return how much attention each cell gets in each layer, times the number of cells: 1 where all get the same.

    Args:
        encoder: one with ``attention``, in evaluation mode.
        image: ``[B, C, H, W]`` normalised patches.

    Returns:
        ``[B, L, h, w]`` float32.

    Raises:
        NoMap: where tokens are not the cells of the map.
    """
    maps = []
    for patch in image:  # the attention of many patches at once can be large
        weights, size = _attention(encoder, patch[None])
        maps.append(weights.mean(2).reshape(1, -1, *size) * size.numel())
    return torch.cat(maps)


def attention_rollout(encoder: Encoder, image: Tensor) -> Tensor:
    """Return the share that each cell has in the mean of the tokens, as attention and shortcuts carry it on.

    Args:
        encoder: one with ``attention``, in evaluation mode.
        image: ``[B, C, H, W]`` normalised patches.

    Returns:
        ``[B, h, w]`` float32, of sum 1 for each patch.

    Raises:
        NoMap: where tokens are not the cells of the map.

    Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3.
    """
    maps = []
    for patch in image:
        weights, size = _attention(encoder, patch[None])
        maps.append(roll_out(weights).mean(1).reshape(1, *size))
    return torch.cat(maps)


def roll_out(weights: Tensor) -> Tensor:
    """Attention ``[B, L, S, S]``, rows of sum 1 -> ``[B, S, S]``: shares of the inputs (columns) in each output.

    Example:
        >>> roll_out(torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]]))
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    shortcut = torch.eye(weights.shape[-1], device=weights.device)
    flow = shortcut.expand(len(weights), -1, -1)
    for layer in weights.float().unbind(1):
        flow = (layer + shortcut) / 2 @ flow
    return flow


def _attention(encoder: Encoder, image: Tensor) -> tuple[Tensor, torch.Size]:
    """Attention ``[B, L, S, S]`` and the size of the map that the tokens are."""
    method, name = attention_of(encoder), type(encoder).__name__
    if method is None:
        raise NoMap(f"{name} has no attention maps.")
    with torch.no_grad():
        weights, size = method(image).float(), feature_map(encoder, image).shape[2:]
    if weights.ndim != 4 or weights.shape[-1] != size.numel() or weights.shape[-2] != size.numel():
        raise NoMap(f"{name}: its attention {list(weights.shape)} does not fit its map of {list(size)} cells.")
    return weights, size
