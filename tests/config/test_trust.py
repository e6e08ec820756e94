"""Classes of others are taken when they are trusted, and then as thoroughly checked as our own."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import eurosat_cls
from eurosat_cls import UserError
from eurosat_cls.cli.commands import split_trust
from eurosat_cls.config.roles import resolve
from eurosat_cls.config.trust import trusting
from tests.conftest import REPOSITORY

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
PARTS = re.findall(
    r"```python\n# my_parts\.py\n(.*?)```", (REPOSITORY / "docs/how-to/own-classes.md").read_text(), re.S
)[0]
CONFIG = {
    "model": {"init_args": {
        "encoder": {"class_path": "NAME.TwoLayers", "init_args": {"width": 8}},
        "loss": {"class_path": "NAME.Margin", "init_args": {"margin": 0.5}},
        "optimizer": {"class_path": "NAME.SignSGD", "init_args": {"lr": 0.002}},
        "lr_scheduler": {"class_path": "NAME.Warmup", "init_args": {"steps": 4}},
        "lr_scheduler_interval": "step",
        "metrics": {"accuracy": {"class_path": "NAME.WorstClass"}},
    }},
    "data": {"class_path": "NAME.MyDemo", "init_args": {"patches_per_class": 20, "batch_size": 40}},
    "trainer": {"callbacks": [{"class_path": "NAME.Farewell", "init_args": {"text": "see you"}}]},
}  # fmt: skip


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A name that no test before has imported."""
    return f"parts_{abs(hash(tmp_path))}"


def written(folder: Path, name: str, as_package: bool = False) -> list[str]:
    """Write a package and a config that uses all of it; return the arguments that name the config."""
    folder.mkdir(parents=True, exist_ok=True)
    code = PARTS + "\n\nfrom eurosat_cls.data import Demo\n\n\nclass MyDemo(Demo):\n    pass\n"
    place = folder / name / "__init__.py" if as_package else folder / f"{name}.py"
    place.parent.mkdir(exist_ok=True)
    place.write_text(code)
    (folder / "mine.yaml").write_text(yaml.safe_dump(CONFIG).replace("NAME", name))
    return ["--config", str(folder / "mine.yaml")]


def test_every_kind_of_part_comes_from_a_file_beside_the_config(run: Run, tmp_path: Path, name: str) -> None:
    config = written(tmp_path / "elsewhere", name)
    code, printed = run("fit", *config)
    assert code == 2
    assert f"is of a package that is not trusted: --trust {name} if you know it" in printed
    assert name not in sys.modules
    code, printed = run("fit", *config, "--trust", name)
    assert code == 0, printed
    assert "see you" in printed
    kept = torch.load(RUN / "checkpoints/last.ckpt", weights_only=True)
    assert kept["hyper_parameters"]["optimizer"]["class_path"] == f"{name}.SignSGD"
    assert kept["optimizer_states"][0]["param_groups"][0]["lr"] == 0.002
    checkpoint = str(RUN / "checkpoints/last.ckpt")
    for command in ("validate", "test", "predict"):
        code, printed = run(command, f"--trust={name}", *config, "--ckpt_path", checkpoint)
        assert code == 0, printed
    with pytest.raises(UserError, match=rf"trust=\['{name}'\]"):
        eurosat_cls.load(checkpoint)
    assert eurosat_cls.load(checkpoint, trust=[name]).encoder.out_features == 8


def test_an_installed_package_is_trusted_by_the_environment(
    run: Run, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(tmp_path / "installed", name, as_package=True)
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    monkeypatch.setenv("EUROSAT_TRUST", f"other, {name}")
    assert run("fit", *config)[0] == 0
    assert type(eurosat_cls.load(RUN).encoder).__name__ == "TwoLayers"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("model.init_args.encoder.init_args.widht", "8", "widht"),
        ("model.init_args.loss.init_args.margin", "x", "margin"),
    ],
)
def test_arguments_of_a_trusted_class_are_checked(
    run: Run, tmp_path: Path, name: str, option: str, value: str, said: str
) -> None:
    code, printed = run("fit", *written(tmp_path, name), "--trust", name, f"--model.init_args.{option}", value)
    assert code == 2
    assert said in printed


def test_trust_stands_anywhere(run: Run, tmp_path: Path, name: str) -> None:
    config, trust = written(tmp_path, name), ["--trust", name]
    for arguments in ([*config, *trust], [*trust, *config], [config[0], config[1], f"--trust={name}"]):
        code, printed = run("summary", *arguments)
        assert code == 0, printed
    assert run("statistics", *config, *trust)[0] == 0


@pytest.mark.usefixtures("trained")
def test_a_report_and_a_description_take_it_too(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.conftest import exit_code

    for command in ("report", "describe"):
        assert exit_code(["--trust", "mine", command, str(RUN)]) == 0
        assert exit_code([command, str(RUN), "--trust=mine"]) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--trust"], "name a package"),
        (["--trust", "--config"], "name a package"),
        (["--trust", "os"], "--trust os: refused"),
        (["--trust", "subprocess.Popen"], "refused"),
        (["--trust", "jsonargparse"], "refused"),
        (["--trust", "a-b"], "is no import path"),
        (["--trust", "torch.hub"], "has no effect"),
    ],
)
def test_what_cannot_be_trusted_is_told(given: list[str], said: str, run: Run) -> None:
    code, printed = run("fit", *given)
    assert code == 2
    assert said in printed


def test_the_environment_cannot_trust_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUROSAT_TRUST", "os")
    code, printed = run("fit")
    assert code == 2
    assert "EUROSAT_TRUST os: refused" in printed


def test_trust_ends_with_the_command(tmp_path: Path, name: str) -> None:
    written(tmp_path, name)
    with trusting([name], [tmp_path]):
        resolve(f"{name}.TwoLayers", "here")
    with pytest.raises(UserError, match="not trusted"):
        resolve(f"{name}.TwoLayers", "here")


def test_only_trusted_names_are_found_beside_a_config_and_nothing_is_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("class A: pass\n")
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('replaced')\n")
    (tmp_path / f"other_{name}.py").write_text("")
    with trusting([name, "torchmetrics.text"], [tmp_path]):
        assert resolve(f"{name}.A", "here").__name__ == "A"
        with pytest.raises(ModuleNotFoundError):
            __import__(f"other_{name}")
    assert not any(type(finder).__module__ == "eurosat_cls.config.trust" for finder in sys.meta_path)


def test_what_is_installed_is_not_replaced_by_a_file_of_its_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, code in (("installed", "class A: pass\n"), ("beside", "raise RuntimeError('replaced')\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    with trusting([name], [tmp_path / "beside"]):
        assert resolve(f"{name}.A", "here").__name__ == "A"


def test_what_a_trusted_package_has_imported_is_not_trusted(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("import os\nfrom os import system\nfrom subprocess import Popen\n")
    with trusting([name], [tmp_path]):
        for path in (f"{name}.system", f"{name}.Popen", f"{name}.os"):
            with pytest.raises(UserError, match="is refused"):
                resolve(path, "here")


def test_arguments_are_split() -> None:
    given: list[Any] = ["fit", "--trust", "a", "--x", "1", "--trust=b.c", "--y"]
    assert split_trust(given) == (["fit", "--x", "1", "--y"], ["a", "b.c"])
