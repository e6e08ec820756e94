"""A checkpoint takes no more memory, and no more time, than its file is worth."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch

import eurosat_cls
from eurosat_cls import UserError
from tests.hostile.helpers import checkpoint

BIG = torch.zeros(1).expand(10**10)


def weights(path: Path) -> tuple[dict[str, Any], str]:
    """The weights of a tiny model, and the name of those of a convolution."""
    state = torch.load(checkpoint(path), weights_only=True)["state_dict"]
    return state, next(name for name in state if state[name].ndim == 4)


@pytest.mark.parametrize("key", ["class_names", "mean", "class_weights"])
def test_views_of_one_number_are_not_written_out(tmp_path: Path, key: str) -> None:
    with pytest.raises(UserError, match=r"evil\.ckpt: refused, its tensors are larger than the file"):
        eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", **{key: BIG}))
    with pytest.raises(UserError, match=r"refused, its settings \(hyper_parameters\) hold tensors"):
        eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", **{key: torch.ones(2)}))
    shared = [BIG[:1000] for _ in range(100)]
    with pytest.raises(UserError, match="its tensors are larger than the file"):
        eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", content={"optimizer_states": shared}))


@pytest.mark.slow
@pytest.mark.parametrize(
    "encoder",
    [
        {"class_path": "eurosat_cls.encoders.resnet.ResNet", "init_args": {"widths": [12000, 12000], "blocks": [2, 2]}},
        {"class_path": "eurosat_cls.encoders.resnet.ResNet", "init_args": {"widths": [8], "blocks": [10**9]}},
        {"class_path": "eurosat_cls.encoders.resnet.ResNet", "init_args": {"widths": [10**9], "blocks": [1]}},
        {"class_path": "eurosat_cls.encoders.resnet.ResNet", "init_args": {"widths": "x", "blocks": [1]}},
        {"class_path": "eurosat_cls.encoders.resnet.ResNet", "init_args": {"widths": [-1], "blocks": [1]}},
    ],
)
def test_a_network_that_is_not_in_the_file_is_not_built(tmp_path: Path, encoder: Any) -> None:
    start = time.monotonic()
    with pytest.raises(UserError, match=r"evil\.ckpt"):
        eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", encoder=encoder))
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("decoder", ["torch.nn.Bilinear", "torch.nn.Linear"])
def test_neither_is_its_decoder(tmp_path: Path, decoder: str) -> None:
    spec = {"class_path": decoder, "init_args": {"out_features": 10**8}}
    with pytest.raises(UserError, match=r"evil\.ckpt"):
        eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", decoder=spec))


@pytest.mark.filterwarnings("ignore")  # of torch, about odd tensors
@pytest.mark.parametrize("kind", ["sparse", "meta", "complex", "quantised", "nested", "text", "key", "csr"])
def test_weights_are_plain_tensors_with_names(tmp_path: Path, kind: str) -> None:
    state, name = weights(tmp_path / "good.ckpt")
    weight = state[name]
    odd: Any = {
        "sparse": lambda: weight.to_sparse(), "meta": lambda: weight.to("meta"), "text": lambda: "x",
        "complex": lambda: weight.to(torch.complex64), "key": lambda: weight,
        "csr": lambda: weight[0, 0].to_sparse_csr(),
        "quantised": lambda: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
        "nested": lambda: torch.nested.nested_tensor([weight[0], weight[1]]),
    }[kind]()  # fmt: skip
    changed = {**state, 5 if kind == "key" else name: odd}
    path = checkpoint(tmp_path / "evil.ckpt", content={"state_dict": changed})
    with pytest.raises(UserError, match=r"evil\.ckpt: (refused|its weights are damaged|truncated|not a)"):
        eurosat_cls.load(path)


@pytest.mark.parametrize(
    "planted",
    [{"epoch": -1}, {"epoch": "x"}, {"global_step": 10**18}, {"pytorch-lightning_version": "x"}, {"global_step": True}],
)
def test_counts_and_versions_are_what_they_are_called(tmp_path: Path, planted: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"its {next(iter(planted))} is"):
        eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", content=planted))


@pytest.mark.parametrize("key", ["class_names", "bands"])
def test_names_are_names(tmp_path: Path, key: str) -> None:
    for names in (5, [1, 2], "ab", [["a"]]):
        with pytest.raises(UserError, match=f"its {key} are no names"):
            eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", **{key: names}))


def test_what_a_training_wrote_is_read(tmp_path: Path) -> None:
    """Weights that are used twice, and other types of numbers, are no bombs."""
    state, name = weights(tmp_path / "good.ckpt")
    path = checkpoint(
        tmp_path / "odd.ckpt", content={"state_dict": {**state, name: state[name].half()}, "twice": state}
    )
    assert eurosat_cls.load(path).class_names == ["a", "b"]
