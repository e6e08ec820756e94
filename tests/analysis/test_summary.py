"""Parameters and multiply-adds are those of the literature, and looking changes nothing."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.analysis.summary import ATTENTION_KERNELS, HookedNetwork, layers, table, totals
from eurosat_cls.data import Demo
from eurosat_cls.decoders import Decoder, LinearReconstruction, MulticlassClassification
from eurosat_cls.encoders import ResNet, TorchvisionBackbone, Transformer
from eurosat_cls.models.autoencoder import AutoEncoder
from tests.conftest import BARE, CONFIGS, exit_code
from tests.data.generated import make_cifar10

Run = Callable[..., tuple[int, str]]
BANDS = ["B04", "B03", "B02"]
SMALL = partial(Transformer, d_model=32, num_layers=2, patch_size=8)


def cifar_resnet18() -> nn.Module:
    return nn.Sequential(ResNet(3, widths=[64, 128, 256, 512], stem_stride=1), nn.Linear(512, 10))


@pytest.mark.slow
def test_cifar_resnet18_has_its_known_metrics() -> None:
    found = layers(cifar_resnet18(), torch.zeros(64, 3, 32, 32))
    assert found[0].parameters == 11_173_962
    assert round(found[0].multiply_adds / 1e9, 2) == 35.55
    assert "11,173,962\n" in totals(found)
    assert "0.555 G per patch, 35.55 G per batch of 64" in totals(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "published"),
    [
        ("mobilenet_v3_small", 224, 56_512_560 - 1_000 * 1_024 - 576 * 1_024),  # grouped convolutions; without its head
        ("vit_b_32", 224, 4_409_290_752 - 1_000 * 768),  # attention
    ],
)
def test_metrics_are_those_that_torchvision_publishes(name: str, size: int, published: int) -> None:
    found = layers(TorchvisionBackbone(3, name).train(), torch.zeros(1, 3, size, size))
    assert found[0].multiply_adds == pytest.approx(published, rel=0.01)


def test_layers_sum_to_the_whole() -> None:
    found = {layer.name: layer for layer in layers(cifar_resnet18(), torch.zeros(2, 3, 32, 32))}
    assert found["0"].parameters + found["1"].parameters == found[""].parameters
    assert found["0"].multiply_adds + found["1"].multiply_adds == found[""].multiply_adds
    assert found["0.stem.0"].output == (2, 64, 32, 32)
    assert found["1"].multiply_adds == 2 * 5120
    assert table(list(found.values()), depth=1).row_count == 2


def test_attention_is_counted_by_hand() -> None:
    found = {layer.name: layer for layer in layers(SMALL(3), torch.zeros(2, 3, 64, 64))}
    tokens, width = 64, 32
    linear = tokens * width * (4 * width + 8 * width)
    assert found["blocks.0"].multiply_adds == 2 * (linear + 2 * tokens * tokens * width)


@pytest.mark.parametrize("backend", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION])
def test_attention_costs_the_same_whatever_kernel_runs(backend: SDPBackend) -> None:
    with sdpa_kernel(backend):
        found = {layer.name: layer for layer in layers(SMALL(3), torch.zeros(2, 3, 64, 64))}
    assert found["blocks.0"].multiply_adds == 2 * 64 * (32 * 12 * 32 + 2 * 64 * 32)


def test_every_kernel_of_attention_is_counted() -> None:
    names = {name.removeprefix("aten::").split(".")[0] for name in torch._C._dispatch_get_all_op_names()}
    fused = {name for name in names if re.fullmatch(r"_scaled_dot_product_\w+(?<!_backward)", name)}
    assert fused - {"_scaled_dot_product_attention_math"} == set(ATTENTION_KERNELS)  # that one is counted by its parts


@pytest.mark.parametrize("decoder", [MulticlassClassification, partial(LinearReconstruction, scale=8)])
def test_decoders_of_tokens_and_maps_find_their_encoder_counted(decoder: Callable[[int, int], Decoder]) -> None:
    model = Classifier(SMALL, ["a", "b"], BANDS, decoder=decoder)
    found = {layer.name: layer for layer in layers(HookedNetwork(model), torch.zeros(2, 3, 64, 64))}
    assert found["encoder"].multiply_adds > found["encoder.blocks.0"].multiply_adds > 0
    parts = ("normalize", "encoder", "decoder")
    assert sum(found[part].multiply_adds for part in parts) == found[""].multiply_adds
    assert found["encoder"].output == ((2, 64, 32) if decoder is MulticlassClassification else (2, 32, 8, 8))
    assert found["decoder"].output is not None
    assert model.encoder(torch.zeros(2, 3, 64, 64)).shape == (2, 32)


def test_looking_changes_neither_modes_nor_statistics() -> None:
    network = cifar_resnet18().train()
    network[0].stem.eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    layers(network, torch.rand(2, 3, 32, 32))
    assert network.training
    assert not network[0].stem.training
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.backends.mha.get_fastpath_enabled()


# --- the command -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_tells_the_known_metrics_of_the_shipped_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_cifar10(tmp_path / "cifar")
    config = str(CONFIGS / "cifar10_resnet18.yaml")
    assert exit_code(["summary", "--config", config, "--data.init_args.root", str(tmp_path / "cifar")]) == 0
    printed = capsys.readouterr().out
    assert "11,173,962" in printed
    assert "35.55 G per batch of 64" in printed
    assert "stages" in printed
    assert not Path("lightning_logs").exists()


def test_options_of_the_command(run: Run) -> None:
    code, printed = run("summary", "--batch_size", "8", "--depth", "1")
    assert code == 0
    assert "per batch of 8" in printed
    rows = [line.split()[1] for line in printed.splitlines() if line.startswith("│")]
    assert rows == ["normalize", "encoder", "decoder"]
    assert "running with" not in printed
    for option in ("--batch_size", "--depth"):
        code, printed = run("summary", option, "0")
        assert code == 2
        assert f"{option[2:]} must be at least 1" in printed.splitlines()[-1]


def test_patches_that_the_network_cannot_take_are_an_error(run: Run) -> None:
    encoder = '{"class_path": "eurosat_cls.encoders.Transformer", "init_args": {"patch_size": 7}}'
    code, printed = run("summary", "--model.init_args.encoder", encoder)
    assert code == 2
    assert "patch_size = 7 does not divide" in printed.splitlines()[-1]


def test_an_autoencoder_has_a_summary_too(capsys: pytest.CaptureFixture[str]) -> None:
    data = Demo(5)
    model = AutoEncoder(SMALL, LinearReconstruction, data.bands)
    Trainer(accelerator="cpu", **BARE).summary(model, data, batch_size=2)
    printed = capsys.readouterr().out
    assert "3x64x64" in next(line for line in printed.splitlines() if line.startswith("│ decoder"))
    with pytest.raises(UserError, match="encoder and decoder"):
        Trainer(accelerator="cpu", **BARE).summary(datamodule=data)
