"""Networks of torchvision and timm as encoders: heads, first layers, weights from files, and what is refused."""

import logging
import os
import re
import socket
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from eurosat_cls import Classifier, Trainer, load
from eurosat_cls.data import Demo
from eurosat_cls.encoders import TimmBackbone, TorchvisionBackbone
from eurosat_cls.encoders.backbones.base import Backbone
from eurosat_cls.encoders.backbones.timm import _quiet_hub
from eurosat_cls.encoders.backbones.weights import is_reachable
from eurosat_cls.utils.errors import UserError
from tests.conftest import BARE

BANDS = ["B08", "B02", "B03", "B04"]
KINDS: dict[str, type[Backbone]] = {"torchvision": TorchvisionBackbone, "timm": TimmBackbone}
# By library and family: name, arguments that make it small, features.
FAMILIES: dict[tuple[str, str], tuple[str, dict[str, Any], int]] = {
    ("torchvision", "ResNet"): ("resnet18", {}, 512),
    ("torchvision", "EfficientNet"): ("efficientnet_b0", {}, 1280),
    ("torchvision", "ConvNeXt"): ("convnext_tiny", {}, 768),
    ("torchvision", "MobileNet"): ("mobilenet_v3_small", {}, 576),
    ("torchvision", "DenseNet"): ("densenet121", {}, 1024),
    ("torchvision", "VGG"): ("vgg11", {"init_weights": False}, 512),
    ("torchvision", "ViT"): ("vit_b_32", {"image_size": 64}, 768),
    ("torchvision", "Swin"): ("swin_t", {}, 768),
    ("timm", "ResNet"): ("resnet10t", {}, 512),
    ("timm", "EfficientNet"): ("efficientnet_lite0", {}, 1280),
    ("timm", "ConvNeXt"): ("convnext_atto", {"depths": [1, 1, 1, 1]}, 320),
    ("timm", "MobileNet"): ("mobilenetv3_small_050", {}, 288),
    ("timm", "DenseNet"): ("densenet121", {"block_config": [1, 1, 1, 1]}, 68),
    ("timm", "VGG"): ("vgg11", {}, 512),
    ("timm", "ViT"): ("vit_tiny_patch16_224", {"depth": 2}, 192),
    ("timm", "Swin"): ("swin_tiny_patch4_window7_224", {"embed_dim": 24, "depths": [1, 1, 1, 1]}, 192),
}
EVERY = pytest.mark.parametrize("key", FAMILIES, ids="-".join)


def library_model(key: tuple[str, str]) -> nn.Module:
    """The library's own network, with its head, for three channels."""
    torch.manual_seed(0)
    name, arguments, _ = FAMILIES[key]
    model: nn.Module
    if key[0] == "timm":
        model = timm.create_model(name, num_classes=4, **arguments)
    else:
        model = torchvision.models.get_model(name, num_classes=4, **arguments)
    return model


@cache
def loaded(key: tuple[str, str], folder: Path) -> tuple[Backbone, dict[str, Tensor]]:
    """An encoder of four bands that started from a file, and what the file held."""
    # The heads of a VGG have a hundred million values, which nothing reads.
    state = {
        name: t if t.numel() < 2**22 else t.flatten()[:1].clone() for name, t in library_model(key).state_dict().items()
    }
    path = folder / f"{'-'.join(key)}.pth"
    torch.save(state, path)
    name, arguments, _ = FAMILIES[key]
    encoder: Any = KINDS[key[0]]
    built: Backbone = encoder(4, name, weights=str(path), bands=BANDS, arguments=arguments)
    path.unlink()
    return built.eval(), state


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.mark.slow
@EVERY
def test_filters_of_a_file_reach_the_bands_by_name(key: tuple[str, str], folder: Path) -> None:
    encoder, state = loaded(key, folder)
    first = next(name for name, module in encoder.model.named_modules() if isinstance(module, nn.Conv2d)) + ".weight"
    old, new = state[first], encoder.model.state_dict()[first]
    assert old.shape[1] == 3
    assert new.shape[1] == 4
    for channel, expected in enumerate([old.mean(1), old[:, 2], old[:, 1], old[:, 0]]):
        torch.testing.assert_close(new[:, channel], expected * 3 / 4)
    x = torch.randn(1, 1, *old.shape[2:])
    torch.testing.assert_close(
        nn.functional.conv2d(x.expand(-1, 4, -1, -1), new), nn.functional.conv2d(x.expand(-1, 3, -1, -1), old),
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


@pytest.mark.slow
@EVERY
def test_all_other_tensors_are_those_of_the_file(key: tuple[str, str], folder: Path) -> None:
    encoder, state = loaded(key, folder)
    ours = {name: tensor for name, tensor in encoder.model.state_dict().items() if name in state}
    other = [name for name, tensor in ours.items() if not torch.equal(tensor, state[name])]
    assert len(other) == 1
    assert len(ours) == len(encoder.model.state_dict())
    left_out = {name.split(".")[0] for name in state if name not in ours}
    assert left_out
    assert left_out <= {"classifier", "fc", "head", "heads", "pre_logits", "conv_head", "norm_head"}


@pytest.mark.slow
@EVERY
def test_features_and_map(key: tuple[str, str], folder: Path) -> None:
    encoder, _ = loaded(key, folder)
    width = FAMILIES[key][2]
    x = torch.randn(2, 4, 64, 64)
    with torch.no_grad():
        features, found = encoder(x), encoder.forward_map(x)
        tokens = encoder.forward_tokens(x).features
    assert encoder.out_features == width
    assert features.shape == (2, width)
    assert found.shape[:2] == (2, width)
    assert tokens.shape == (2, found.shape[2] * found.shape[3], width)
    assert features.isfinite().all()
    assert not torch.equal(features[0], features[1])
    side = 64 // (16 if key == ("timm", "ViT") else 32)
    assert found.shape[2:] == (side, side)


@pytest.mark.parametrize(
    ("kind", "name"), [(TorchvisionBackbone, "mobilenet_v3_small"), (TimmBackbone, "mobilenetv3_small_050")]
)
@pytest.mark.parametrize("channels", [1, 13])
def test_any_number_of_channels_with_and_without_weights(
    kind: type[Backbone], name: str, channels: int, tmp_path: Path
) -> None:
    library = "timm" if kind is TimmBackbone else "torchvision"
    path = tmp_path / "w.safetensors"
    save_file(library_model((library, "MobileNet")).state_dict(), path)
    x = torch.randn(2, channels, 64, 64)
    for weights in (None, str(path)):
        encoder = kind(channels, name, weights=weights).eval()  # type: ignore[arg-type, call-arg]
        assert encoder(x).shape == (2, encoder.out_features)


@pytest.mark.parametrize(("kind", "name"), [(TorchvisionBackbone, "resnet18"), (TimmBackbone, "resnet10t")])
def test_features_are_what_the_library_hands_to_its_last_layer(kind: type[Backbone], name: str, folder: Path) -> None:
    key = ("timm" if kind is TimmBackbone else "torchvision", "ResNet")
    theirs = library_model(key).eval()
    theirs.fc = nn.Identity()
    path = folder / "same.pth"
    torch.save(theirs.state_dict(), path)
    encoder = kind(3, name, weights=str(path)).eval()  # type: ignore[arg-type, call-arg]
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(encoder(x), theirs(x))


def test_an_encoder_s_own_state_dict_and_that_of_a_wrapped_network_load(tmp_path: Path) -> None:
    source = TimmBackbone(4, "mobilenetv3_small_050")
    theirs = {f"module.{name}": tensor for name, tensor in source.model.state_dict().items()}
    torch.save({"state_dict": theirs, "epoch": 3}, tmp_path / "w.pth")
    target = TimmBackbone(4, "mobilenetv3_small_050", weights=str(tmp_path / "w.pth"))
    assert all(torch.equal(a, b) for a, b in zip(source.state_dict().values(), target.state_dict().values()))


def test_resize_makes_more_of_small_patches() -> None:
    encoder = TimmBackbone(3, "mobilenetv3_small_050", resize=128).eval()
    assert encoder.forward_map(torch.randn(1, 3, 64, 64)).shape[2:] == (4, 4)
    with pytest.raises(UserError, match="resize"):
        TimmBackbone(3, "mobilenetv3_small_050", resize=0)


@pytest.mark.slow
def test_a_vit_takes_other_sizes_than_it_was_made_for(folder: Path) -> None:
    for library in KINDS:
        encoder, _ = loaded((library, "ViT"), folder)
        with torch.no_grad():
            assert encoder.forward_map(torch.randn(1, 4, 96, 96)).shape[2] == (6 if library == "timm" else 3)


@pytest.mark.slow
def test_a_checkpoint_needs_the_file_of_weights_no_more(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(library_model(("timm", "MobileNet")).state_dict(), path)
    data = Demo(10, batch_size=30)
    encoder = partial(TimmBackbone, name="mobilenetv3_small_050", weights=str(path), first_layer="mean", resize=32)
    model = Classifier(encoder, data.class_names, data.bands, mean=data.mean, std=data.std)
    trainer = Trainer(accelerator="cpu", precision="32-true", max_epochs=1, limit_val_batches=0, **BARE)
    trainer.fit(model, datamodule=data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    path.unlink()
    again = load(tmp_path / "last.ckpt")
    x = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    assert again.encoder.resize == 32
    assert torch.equal(again(x), model.eval()(x))


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "right"),
    [(TorchvisionBackbone, "resnet5", "resnet50"), (TimmBackbone, "convnext_ato", "convnext_atto")],
)
def test_an_unknown_name_lists_the_nearest_five(kind: type[Backbone], name: str, right: str) -> None:
    with pytest.raises(UserError, match=f"no (classifier|model) '{name}'") as error:
        kind(3, name)  # type: ignore[arg-type, call-arg]
    near = str(error.value).split(" are ")[1].rstrip(".").split(", ")
    assert len(near) == 5
    assert right in near


def test_an_unknown_tag_and_unknown_weights_list_those_there_are() -> None:
    with pytest.raises(UserError, match=r"convnext_atto has the tags convnext_atto\.d2_in1k"):
        TimmBackbone(3, "convnext_atto.x")
    with pytest.raises(UserError, match="no file, nor DEFAULT"):
        TimmBackbone(3, "convnext_atto", weights="IMAGENET1K")
    with pytest.raises(UserError, match="it has IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT"):
        TorchvisionBackbone(3, "resnet50", weights="IMAGENET")


@pytest.mark.parametrize(
    ("kind", "name", "arguments", "message"),
    [
        (TorchvisionBackbone, "resnet18", {"zero_init": True}, "Did you mean 'zero_init_residual'"),
        (TorchvisionBackbone, "resnet18", {"num_classes": 3}, "num_classes follows from the data"),
        (TorchvisionBackbone, "resnet18", {"weights": "x"}, "weights is a setting"),
        (TorchvisionBackbone, "resnet18", {"layers": [1, 1, 1, 1]}, "layers is what makes resnet18"),
        (TorchvisionBackbone, "vit_b_32", {"image_size": 50}, "vit_b_32: .*indivisible"),
        (TimmBackbone, "convnext_atto", {"drop_path": 0.1}, "Did you mean 'drop_path_rate'"),
        (TimmBackbone, "convnext_atto", {"in_chans": 3}, "in_chans follows from the data"),
        (TimmBackbone, "convnext_atto", {"pretrained": True}, "pretrained is the setting `weights`"),
    ],
)
def test_wrong_arguments_are_named(kind: type[Backbone], name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        kind(3, name, arguments=arguments)  # type: ignore[arg-type, call-arg]


def test_patches_too_small_say_what_to_do() -> None:
    with pytest.raises(UserError, match=r"cannot take patches of 8x8 pixels.*Set resize"):
        TorchvisionBackbone(3, "squeezenet1_1").eval()(torch.zeros(1, 3, 8, 8))


def test_a_first_layer_setting_without_weights_is_told() -> None:
    with pytest.warns(UserWarning, match="first_layer: mean has no effect without weights"):
        TimmBackbone(3, "mobilenetv3_small_050", first_layer="mean")


@pytest.mark.parametrize("library", KINDS)
def test_weights_that_cannot_be_downloaded_are_one_line(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    name = {"torchvision": "resnet18", "timm": "convnext_atto"}[library]
    page = {"torchvision": "resnet18-f37072fd.pth", "timm": "huggingface.co/timm/convnext_atto.d2_in1k"}[library]
    started = time.monotonic()
    with pytest.raises(UserError, match=f"cannot download.*{re.escape(page)}.*path of the file") as error:
        KINDS[library](3, name, weights="DEFAULT")  # type: ignore[arg-type, call-arg]
    assert time.monotonic() - started < 5
    assert len(str(error.value).splitlines()) == 1
    assert len(capsys.readouterr().err.splitlines()) <= 1


@pytest.mark.parametrize("lasts", [0.0, 60.0])
def test_a_server_that_cannot_be_reached_is_not_waited_for(lasts: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*args: object) -> None:
        time.sleep(lasts)
        raise OSError

    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    started = time.monotonic()
    assert not is_reachable("https://example.org/x", 0.3)
    assert time.monotonic() - started < 3


def test_a_server_that_answers_is_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.delenv("http_proxy", raising=False)
        monkeypatch.delenv("HTTP_PROXY", raising=False)
        assert is_reachable(f"{address}/weights.pth")
        monkeypatch.setenv("https_proxy", address)
        assert is_reachable("https://example.org/behind/the/proxy")


def test_the_hub_s_client_is_quiet_while_it_downloads_only(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("huggingface_hub.utils._http")
    with _quiet_hub():
        logger.warning("attempt 1 of 5")
    assert not caplog.records
    logger.warning("elsewhere")
    assert [record.message for record in caplog.records] == ["elsewhere"]


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


@pytest.mark.parametrize(
    ("kind", "name"), [(TorchvisionBackbone, "mobilenet_v3_small"), (TimmBackbone, "mobilenetv3_small_050")]
)
def test_bad_files_of_weights_are_named(kind: type[Backbone], name: str, tmp_path: Path) -> None:
    def attempt(path: Path, message: str) -> None:
        with pytest.raises(UserError, match=message):
            kind(3, name, weights=str(path))  # type: ignore[arg-type, call-arg]

    path = tmp_path / "w.pth"
    attempt(path, r"w\.pth: there is no such weights file")
    torch.save({"state_dict": {"a": torch.zeros(1)}, "x": Evil()}, path)
    attempt(path, r"w\.pth: refused, it holds pickled code")
    assert not Path("executed").exists()
    path.write_bytes(b"no weights at all")
    attempt(path, r"w\.pth: (not a|truncated or not a) weights file")
    torch.save({"epoch": 3}, path)
    attempt(path, r"w\.pth: no named tensors")
    torch.save(nn.LSTM(3, 4).state_dict(), path)
    attempt(path, rf"w\.pth does not fit {name}: \d+ of \d+ tensors are missing")
    state = kind(3, name).model.state_dict()  # type: ignore[arg-type, call-arg]
    last = next(key for key in reversed(state) if state[key].ndim == 1)
    torch.save({**state, last: torch.zeros(3)}, path)
    attempt(path, rf"another shape, the first is {re.escape(last)}")
    torch.save({**state, "blocks.99.weight": torch.zeros(3)}, path)
    attempt(path, r"1 tensors are too many, the first is blocks\.99\.weight")


def test_bands_that_the_adapter_does_not_know_are_refused(folder: Path) -> None:
    path = folder / "bands.pth"
    torch.save(library_model(("timm", "MobileNet")).state_dict(), path)
    with pytest.raises(UserError, match="'bleu' is no known band"):
        TimmBackbone(3, "mobilenetv3_small_050", weights=str(path), bands=["B04", "B03", "bleu"])
    with pytest.raises(UserError, match="2 names for 3 channels"):
        TimmBackbone(3, "mobilenetv3_small_050", weights=str(path), bands=["B04", "B03"])


# --- cost --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [(TorchvisionBackbone, "squeezenet1_1"), (TimmBackbone, "resnet10t")])
def test_building_costs_little_more_than_the_library_s_own_time(kind: type[Backbone], name: str) -> None:
    """A coarse guard in seconds of the processor; benchmarks/backbones.py measures."""

    def theirs() -> nn.Module:
        if kind is TimmBackbone:
            return timm.create_model(name, num_classes=0)
        return torchvision.models.get_model(name)  # type: ignore[no-any-return]

    def seconds(action: Callable[[], object]) -> float:
        start = time.process_time()
        action()
        return time.process_time() - start

    pairs = [(seconds(theirs), seconds(lambda: kind(3, name))) for _ in range(5)]  # type: ignore[arg-type, call-arg]
    assert min(ours for _, ours in pairs) < 1.25 * min(plain for plain, _ in pairs) + 0.02
