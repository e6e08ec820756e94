import copy
import json
from pathlib import Path

import pytest
import torch

from eurosat_cls import Classifier
from eurosat_cls.encoders import ResNet
from eurosat_cls.training import execution

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
    monkeypatch.setattr(execution, "_rates", lambda n, s, d, c: measured.append(c) or {k: rates[k] for k in c})
    assert choose(model(), precision="32-true").memory_format == "channels_last"
    assert choose(model(), precision="32-true").memory_format == "channels_last"
    assert len(measured) == 1, "the second time it is read from the cache"
    assert len(json.loads((tmp_path / "machine.json").read_text())) == 1
    (tmp_path / "machine.json").write_text("{broken")
    assert choose(model(), precision="32-true").memory_format == "channels_last"


def test_what_the_config_says_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_rates", lambda *a: pytest.fail("measured"))
    chosen = choose(model(), precision="32-true", memory_format="channels_last", compile=True)
    assert (chosen.precision, chosen.memory_format, chosen.compile) == ("32-true", "channels_last", True)


@pytest.mark.parametrize(("planned", "compiles"), [(1000, False), (10_000_000, True)])
def test_compiling_is_chosen_only_where_the_training_pays_for_it(
    planned: int, compiles: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path))
    monkeypatch.setattr(execution, "_rates", lambda n, s, d, c: {k: 1200.0 if k[2] else 1000.0 for k in c})
    chosen = choose(model(), precision="32-true", compile="auto", planned_images=planned)
    assert chosen.compile is compiles


def test_a_network_without_bfloat16_units_is_not_tried_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path))
    monkeypatch.setattr(execution, "supports_bf16", lambda device: False)
    assert choose(model()).precision == "32-true"
