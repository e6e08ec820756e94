"""Parameters and multiply-adds are those of the literature, and looking changes nothing."""

import torch
from torch import nn

from eurosat_cls.encoders import ResNet
from eurosat_cls.summary import layers, table, totals


def cifar_resnet18() -> nn.Module:
    return nn.Sequential(ResNet(3, widths=[64, 128, 256, 512], stem_stride=1), nn.Linear(512, 10))


def test_cifar_resnet18_has_its_known_figures() -> None:
    found = layers(cifar_resnet18(), torch.zeros(64, 3, 32, 32))
    assert found[0].parameters == 11_173_962
    assert round(found[0].multiply_adds / 1e9, 2) == 35.55
    assert "11,173,962 parameters" in totals(found)
    assert "35.55 G per batch of 64" in totals(found)


def test_layers_sum_to_the_whole() -> None:
    found = {layer.name: layer for layer in layers(cifar_resnet18(), torch.zeros(2, 3, 32, 32))}
    assert found["0"].parameters + found["1"].parameters == found[""].parameters
    assert found["0"].multiply_adds + found["1"].multiply_adds == found[""].multiply_adds
    assert found["0.stem.0"].output == (2, 64, 32, 32)
    assert found["1"].multiply_adds == 2 * 5120
    assert table(list(found.values()), depth=1).row_count == 2


def test_looking_changes_neither_modes_nor_statistics() -> None:
    network = cifar_resnet18().train()
    network[0].stem.eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    layers(network, torch.rand(2, 3, 32, 32))
    assert network.training
    assert not network[0].stem.training
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
