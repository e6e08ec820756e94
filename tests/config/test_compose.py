"""What a command makes of files and options, and how it is printed."""

import shutil
from pathlib import Path

import pytest
import yaml

from eurosat_cls.config.printed import annotated
from eurosat_cls.config.tree import Node, plain
from tests.config.parsers import parsed
from tests.conftest import CONFIGS


@pytest.fixture
def files() -> list[str]:
    for name in ("tiny_resnet18", "demo", "freeze"):
        shutil.copy(CONFIGS / f"{name}.yaml", f"{name}.yaml")
    return ["--config", "tiny_resnet18.yaml", "--config", "demo.yaml"]


def printed(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as ended:
        parsed(*args, "--print_config")
    assert ended.value.code == 0
    return capsys.readouterr().out


def line_of(text: str, key: str) -> str:
    (line,) = (line.strip() for line in text.splitlines() if line.strip().startswith(f"{key}:"))
    return line


def test_every_value_is_printed_with_its_origin(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "fit", *files, "--trainer.max_epochs", "2", "--model.init_args.loss", "FocalLoss")
    values = [line for line in text.splitlines() if not line.startswith("#") and not line.rstrip().endswith(":")]
    assert all("  # " in line for line in values)
    assert line_of(text, "max_epochs") == "max_epochs: 2  # --trainer.max_epochs"
    assert line_of(text, "widths") == "widths: [16, 48, 96, 160]  # tiny_resnet18.yaml:9"
    assert line_of(text, "patches_per_class") == "patches_per_class: 300  # demo.yaml:16"
    assert line_of(text, "gamma") == "gamma: 2.0  # default"
    assert "class_path: eurosat_cls.losses.FocalLoss  # --model.init_args.loss" in text
    dropped = [line for line in text.splitlines() if line.startswith("# - ")]
    assert dropped[0] == (
        "# - data.init_args.augment[1].init_args.pixels: 4  "
        "(tiny_resnet18.yaml:42; data is Demo instead of EuroSAT (demo.yaml:14))"
    )
    assert any("label_smoothing: 0.1  (tiny_resnet18.yaml:17;" in line for line in dropped)


@pytest.mark.slow
def test_what_is_printed_is_a_config_of_the_same_settings(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("settled.yaml").write_text(printed(capsys, "fit", *files))
    assert parsed("fit", "--config", "settled.yaml")[0] == parsed("fit", *files)[0]


def test_texts_of_several_lines_keep_their_value() -> None:
    config = {"a": "one\n\ntwo # three", "b": {"c": "x: y", "d": [], "e": [{"f": "g\n"}]}}
    assert yaml.safe_load(annotated(config, Node({}, ""), [])) == config


@pytest.mark.slow
def test_flags_of_print_config(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("skip_default", "skip_unset", "skip_default,skip_unset"):
        with pytest.raises(SystemExit):
            parsed("fit", *files, f"--print_config={flag}")
        text = capsys.readouterr().out
        assert "val_check_interval" not in text
        assert "max_epochs: 15" in text


def test_defaults_can_be_printed_without_any_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert line_of(printed(capsys, "fit"), "accumulate_grad_batches") == "accumulate_grad_batches: 1  # default"


@pytest.mark.slow
def test_an_overlay_with_another_class_takes_none_of_its_arguments(files: list[str]) -> None:
    shutil.copy(CONFIGS / "transformer.yaml", "transformer.yaml")
    both = ["--config", "transformer.yaml", "--config", "freeze.yaml"]
    optimizer = parsed("fit", *both)[0]["model"]["init_args"]["optimizer"]
    assert optimizer["class_path"] == "torch.optim.SGD"
    assert optimizer["init_args"]["weight_decay"] == 0
    mlp = parsed("fit", *files, "--model.init_args.decoder", "MLP")[0]["model"]["init_args"]["decoder"]
    assert (
        mlp
        == parsed("fit", *files, "--model.init_args.decoder", '{"class_path": "MLP"}')[0]["model"]["init_args"][
            "decoder"
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["--data.init_args.batch_size", "4"],
        ["--data", "part.yaml"],  # a file, but one that an option names
        ["--data.init_args.batch_size", "4", "--data", "other.yaml"],
        ["--data.init_args.batch_size=4", "--config", '{"data": {"init_args": {"batch_size": 7}}}'],
    ],
)
def test_options_win_over_files_wherever_they_stand(files: list[str], options: list[str]) -> None:
    Path("part.yaml").write_text("{class_path: Demo, init_args: {batch_size: 4}}")
    Path("other.yaml").write_text("{class_path: Demo, init_args: {batch_size: 8}}")
    for args in ([*options, *files], [*files, *options], [*files[:2], *options, *files[2:]]):
        assert parsed("fit", *args)[0]["data"]["init_args"]["batch_size"] == 4
    raised = parsed("fit", "--trainer.callbacks+", "StopAtTarget", *files)[0]["trainer"]["callbacks"]
    assert len(raised) == 1
    Path("over.yaml").write_text("data: {init_args: {batch_size: 5}}")
    assert parsed("fit", "--overlay", "over.yaml", *options, *files)[0]["data"]["init_args"]["batch_size"] == 5


def test_references_are_settled_after_files_and_options(files: list[str]) -> None:
    Path("free.yaml").write_text(
        "hyperparameters: {lr: 1e-3}\n"
        "model:\n  init_args:\n"
        "    optimizer: {init_args: {lr: '${hyperparameters.lr}'}}\n"
        "    lr_scheduler: {init_args: {max_lr: '${hyperparameters.lr}'}}\n"
        "trainer: {accumulate_grad_batches: '${data.init_args.batch_size}'}\n"
    )
    args = [*files, "--config", "free.yaml", "--data.init_args.batch_size", "64"]
    init = parsed("fit", *args)[0]["model"]["init_args"]
    assert init["optimizer"]["init_args"]["lr"] == init["lr_scheduler"]["init_args"]["max_lr"] == 0.001
    config, _ = parsed("fit", *args, "--hyperparameters.lr", "0.5")
    assert config["model"]["init_args"]["optimizer"]["init_args"]["lr"] == 0.5
    assert config["trainer"]["accumulate_grad_batches"] == config["data"]["init_args"]["batch_size"] == 64


@pytest.mark.slow
def test_one_file_serves_every_command(files: list[str]) -> None:
    Path("all.yaml").write_text("{ckpt_path: best, images: folder, output: out, min_lr: 1e-4, largest: 64, depth: 2}")
    taken = {"fit": {"ckpt_path"}, "predict": {"ckpt_path", "images"}, "show": {"output"}, "summary": {"depth"},
             "lr_find": {"output", "min_lr"}, "batch_size_find": {"output", "largest"}}  # fmt: skip
    for command, keys in taken.items():
        config, _ = parsed(command, *files, "--config", "all.yaml")
        assert {"ckpt_path", "images", "output", "min_lr", "largest", "depth"} & set(config) >= keys


def test_a_part_can_be_a_file_of_its_own(files: list[str]) -> None:
    Path("part.yaml").write_text("class_path: Demo\ninit_args: {patches_per_class: 7}")
    Path("whole.yaml").write_text("data: part.yaml")
    for args in (["--data", "part.yaml"], ["--config", "whole.yaml"]):
        config, made = parsed("fit", *files, *args)
        assert config["data"]["init_args"]["patches_per_class"] == 7
        assert plain(made.tree)["data"]["init_args"]["batch_size"] == 32


def test_an_empty_group_changes_nothing(files: list[str]) -> None:
    Path("empty.yaml").write_text("trainer:\n  # max_epochs: 3\nseed_everything: 4")
    config, _ = parsed("fit", *files, "--config", "empty.yaml")
    assert config["trainer"]["max_epochs"] == 15
    assert config["seed_everything"] == 4


def test_help_of_a_class_is_printed(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    asked = {
        ("--model.help", "Classifier"): "--model.init_args.calibrate",
        ("--data.help=EuroSAT",): "--data.init_args.shots_per_class",
    }
    for args, expected in asked.items():
        with pytest.raises(SystemExit) as ended:
            parsed("fit", *args)
        assert ended.value.code == 0
        assert expected.removeprefix("--model.init_args.").removeprefix("--data.init_args.") in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        parsed("fit", *files, "--model.init_args.encoder.help", "ResNet")
    assert ended.value.code == 0
    assert "stem_stride" in capsys.readouterr().out
