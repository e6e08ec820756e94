import copy
import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from eurosat_cls import Classifier, UserError
from eurosat_cls.encoders import ResNet
from eurosat_cls.models.network import Network
from eurosat_cls.training import execution, timing
from eurosat_cls.training.precision import device_of

CPU = torch.device("cpu")
SHAPE = (4, 3, 32, 32)


def model() -> Classifier:
    return Classifier(ResNet, ["a", "b"], ["B04", "B03", "B02"], mean=[90.0] * 3, std=[40.0] * 3)


def choose(m: Classifier, **changes: object) -> execution.Execution:
    settings = {"precision": "auto", "memory_format": "auto", "compile": False, "planned_images": 0, **changes}
    return execution.choose(m, SHAPE, CPU, **settings)  # type: ignore[arg-type]


@pytest.mark.slow
def test_measuring_leaves_model_and_random_state_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path))
    m = model()
    before, random = copy.deepcopy(m.state_dict()), torch.get_rng_state()
    chosen = choose(m)
    assert chosen.rates
    assert chosen.precision in ("32-true", "bf16-mixed")
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in m.state_dict().items())
    assert all(p.grad is None for p in m.parameters())


def test_the_quickest_candidate_is_chosen_and_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path))
    rates = {("32-true", "contiguous", False): 10.0, ("32-true", "channels_last", False): 30.0}
    measured = []
    monkeypatch.setattr(execution, "rates_of", lambda n, s, d, c: measured.append(c) or ({k: rates[k] for k in c}, {}))
    assert choose(model(), precision="32-true").memory_format == "channels_last"
    assert choose(model(), precision="32-true").memory_format == "channels_last"
    assert len(measured) == 1, "the second time it is read from the cache"
    assert len(json.loads((tmp_path / "machine.json").read_text())) == 2, (
        "the choice, and what survived of channels_last"
    )
    (tmp_path / "machine.json").write_text("{broken")
    assert choose(model(), precision="32-true").memory_format == "channels_last"


def test_what_the_config_says_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "rates_of", lambda *a: pytest.fail("measured"))
    chosen = choose(model(), precision="32-true", memory_format="channels_last", compile=True)
    assert (chosen.precision, chosen.memory_format, chosen.compile) == ("32-true", "channels_last", True)


@pytest.mark.parametrize(("planned", "compiles"), [(1000, False), (10_000_000, True)])
def test_compiling_is_chosen_only_where_the_training_pays_for_it(
    planned: int, compiles: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path))
    monkeypatch.setattr(execution, "rates_of", lambda n, s, d, c: ({k: 1200.0 if k[2] else 1000.0 for k in c}, {}))
    chosen = choose(model(), precision="32-true", compile="auto", planned_images=planned)
    assert chosen.compile is compiles


class Deadly(nn.Module):
    """Ends the process in one memory format, as oneDNN does for some networks on some machines."""

    def forward(self, image: Tensor) -> Tensor:
        if image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous():
            os.kill(os.getpid(), signal.SIGSEGV)
        return image * 1.0


@pytest.mark.slow
def test_a_candidate_that_dies_is_out_and_asked_for_all_the_same_it_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path))
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    deadly = model()
    deadly.encoder = nn.Sequential(Deadly(), deadly.encoder)  # type: ignore[assignment]
    chosen = choose(deadly, precision="32-true")
    assert (chosen.memory_format, list(chosen.rates)) == ("contiguous", ["32-true contiguous"])
    said = capsys.readouterr().err
    assert said == "32-true channels_last is left out: it crashes here with this network (SIGSEGV)\n"
    monkeypatch.setattr(execution, "rates_of", lambda *a: pytest.fail("measured again"))
    asked = choose(deadly, precision="32-true", memory_format="channels_last", planned_images=100)
    assert asked == execution.Execution("32-true", "channels_last", False, {})
    assert capsys.readouterr().err.startswith("warning: 32-true with channels_last crashed when")
    choose(deadly, precision="32-true", memory_format="channels_last")
    assert not capsys.readouterr().err, "what is only evaluated takes no such step"


@pytest.mark.slow
def test_what_is_asked_for_is_tried_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path))
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    well, deadly = model(), model()
    deadly.encoder = nn.Sequential(Deadly(), deadly.encoder)  # type: ignore[assignment]
    for each, warned in ((well, False), (deadly, True), (deadly, True)):
        choose(each, precision="32-true", memory_format="channels_last", planned_images=100)
        assert ("warning" in capsys.readouterr().err) is warned


def test_a_network_that_cannot_be_handed_over_is_timed_here() -> None:
    m = model()
    m.encoder.hook = lambda: None  # type: ignore[assignment]  # nothing that pickle takes
    rates, died = timing.rates_of(Network(m), SHAPE, CPU, [("32-true", "contiguous", False)])
    assert rates[("32-true", "contiguous", False)] > 0
    assert not died


@pytest.mark.slow
def test_a_network_without_bfloat16_units_is_not_tried_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path))
    monkeypatch.setattr(execution, "supports_bf16", lambda device: False)
    assert choose(model()).precision == "32-true"


def test_batches_of_single_values_are_a_mistake_of_their_size() -> None:
    encoder = partial(ResNet, widths=(8,) * 4, blocks=(1,) * 4)
    model = Classifier(encoder, ["a", "b"], ["B04"], mean=[90.0], std=[30.0])
    with pytest.raises(UserError, match=r"data\.batch_size: there is nothing to normalise over, as a batch of 1 comes"):
        timing.measure(Network(model), (1, 1, 8, 8), CPU, [("32-true", "contiguous", False)])


@pytest.mark.parametrize("name", ["gpu", "cuda", "mps"])
def test_a_device_that_is_not_there_is_named_before_anything_is_measured(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=rf"^trainer\.accelerator: {name}: torch finds no such device here; take cpu"):
        device_of(name)
    assert device_of("auto") == CPU
