"""Weights from elsewhere reach the right place, and nothing is loaded silently wrong."""

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.checkpoints.weights import Weights
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet
from tests.conftest import BARE

TINY = partial(ResNet, widths=(8, 16), blocks=(1, 1))


def model(seed: int, names: int = 3, widths: tuple[int, int] = (8, 16), **arguments: Any) -> Classifier:
    torch.manual_seed(seed)
    encoder = partial(ResNet, widths=widths, blocks=(1, 1))
    return Classifier(encoder, [str(k) for k in range(names)], ["B04"], **arguments)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("form", ["checkpoint", "state dict", "safetensors", "bare encoder"])
def test_the_encoder_comes_from_any_kind_of_file(form: str, tmp_path: Path) -> None:
    source, target = model(1, names=5), model(2)
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pt")
    state = source.encoder.state_dict() if form == "bare encoder" else source.state_dict()
    if form == "safetensors":
        save_file(dict(state), path)
    else:
        torch.save({"state_dict": state} if form == "checkpoint" else state, path)
    before = target.decoder.state_dict()["linear.weight"].clone()
    outcome = Weights(str(path)).load_into(target)
    assert same(source.encoder, target.encoder)
    assert torch.equal(target.decoder.state_dict()["linear.weight"], before)
    assert not outcome["missing"]
    assert len(outcome["loaded"]) == len(target.encoder.state_dict())


def test_all_takes_the_head_too_where_it_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.pt"
    source = model(1, names=5)
    torch.save(source.state_dict(), path)
    alike = model(2, names=5)
    Weights(str(path), part="all").load_into(alike)
    assert same(source.decoder, alike.decoder)
    other = model(2, names=3)
    outcome = Weights(str(path), part="all").load_into(other)
    assert outcome["other_shape"] == ["decoder.linear.bias", "decoder.linear.weight"]
    assert "[5, 16] there, [3, 16] here" in capsys.readouterr().err


def test_prefix_and_renaming(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    source, target = model(1), model(2)
    foreign = {"backbone." + k.replace("stem.0", "conv1"): v for k, v in source.encoder.state_dict().items()}
    torch.save({**foreign, "optimizer.junk": torch.zeros(3)}, path)
    Weights(str(path), prefix="backbone.", rename={"conv1": "stem.0"}).load_into(target)
    assert same(source.encoder, target.encoder)
    with pytest.raises(UserError, match=r"no name in .* begins with 'backbon:'"):
        Weights(str(path), prefix="backbon:").load_into(target)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(nn.LSTM(3, 4).state_dict(), path)
    with pytest.raises(UserError, match=r"nothing in .*w\.pt fits the encoder: it has .*weight_hh_l0"):
        Weights(str(path)).load_into(model(1))
    torch.save(model(1, widths=(24, 40)).encoder.state_dict(), path)
    with pytest.raises(UserError, match=r"nothing in .* another shape"):
        Weights(str(path)).load_into(model(1))


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("executed",))


def test_pickled_code_is_refused_and_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.pt"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(UserError, match=r"w\.pt: refused, it holds pickled code"):
        Weights(str(path)).load_into(model(1))
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError):
        Weights(str(path)).load_into(model(1))
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["gone.pt", "gone.safetensors"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{name}: there is no such"):
        Weights(str(tmp_path / name)).load_into(model(1))


def test_a_damaged_safetensors_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(dict(model(1).encoder.state_dict()), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"w\.safetensors: not a safetensors file, or truncated"):
        Weights(str(path)).load_into(model(1))


@pytest.mark.slow
def test_a_training_starts_from_them_and_a_resumed_one_does_not(tmp_path: Path) -> None:
    data = Demo(patches_per_class=10, batch_size=20)
    arguments: dict[str, Any] = {
        "class_names": data.class_names,
        "bands": data.bands,
        "mean": data.mean,
        "std": data.std,
    }
    source = Classifier(TINY, **arguments)
    path = tmp_path / "w.pt"
    torch.save(source.state_dict(), path)
    started = Classifier(TINY, **arguments, weights=str(path), optimizer=partial(torch.optim.SGD, lr=0.0))
    quiet = {**BARE, "num_sanity_val_steps": 0}
    trainer = Trainer(max_epochs=1, accelerator="cpu", precision="32-true", **quiet)
    trainer.fit(started, datamodule=data)
    assert torch.equal(started.encoder.state_dict()["stem.0.weight"], source.encoder.state_dict()["stem.0.weight"])
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    path.unlink()
    again = Classifier(TINY, **arguments, weights=str(path), optimizer=partial(torch.optim.SGD, lr=0.0))
    Trainer(max_epochs=2, accelerator="cpu", precision="32-true", **quiet).fit(
        again, datamodule=data, ckpt_path=tmp_path / "last.ckpt"
    )
    assert Classifier.load_from_checkpoint(tmp_path / "last.ckpt").weights is None
