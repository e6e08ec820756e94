"""A run in place of a configuration and a checkpoint, and images after it, each with predictions of its own."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from eurosat_cls.cli.run_argument import expand
from eurosat_cls.utils.errors import UserError
from tests.conftest import exit_code

RUN = Path("lightning_logs/version_0")
BEST = RUN / "checkpoints/best.ckpt"


def printed_by(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    code = exit_code(list(map(str, arguments)))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out + captured.err


def metrics(printed: str) -> str:
    return next(line for line in printed.splitlines() if line.startswith("val/"))


def images(folder: Path, count: int = 2) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.full((64, 64, 3), 40 * number + 30, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def predicted(path: Path) -> list[str]:
    with open(path, encoding="utf-8", newline="") as file:
        return [row["file"] for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_a_run_stands_for_its_configuration_and_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    printed = printed_by(capsys, "validate", RUN)
    assert f"run folder: {RUN.resolve()}" in printed
    assert metrics(printed_by(capsys, "validate", BEST)) == metrics(printed)
    printed_by(capsys, "predict", RUN)
    assert len(predicted(RUN / "predictions.csv")) == 40
    printed = printed_by(capsys, "fit", RUN, "--trainer.max_epochs", "3")
    assert "epoch 3/3" in printed
    assert "epoch 2/3" not in printed


@pytest.mark.usefixtures("trained")
def test_a_checkpoint_that_was_moved_brings_its_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    expected = metrics(printed_by(capsys, "validate", RUN))
    Path("elsewhere").mkdir()
    shutil.move(BEST, "elsewhere/mine.ckpt")
    shutil.rmtree("lightning_logs")
    assert metrics(printed_by(capsys, "validate", "elsewhere/mine.ckpt")) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_each_source_has_predictions_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("a/new", "b/new", "[c]${d}"):
        images(Path(place))
    printed_by(capsys, "predict", RUN)
    own = (RUN / "predictions.csv").read_text()
    printed_by(capsys, "predict", RUN, "a/new", "b/new", "[c]${d}")
    written = sorted(RUN.glob("predictions_*.csv"))
    assert len(written) == 3
    assert {name.removeprefix("./") for path in written for name in predicted(path)} == {
        f"{place}/{n}.png" for place in ("a/new", "b/new", "[c]${d}") for n in range(2)
    }
    printed_by(capsys, "predict", RUN, "a/new/0.png", "--images", "b/*/1.png", "--images=b/new/0.png")
    assert len(list(RUN.glob("predictions_*.csv"))) == 5
    printed_by(capsys, "predict", RUN, "a/new/0.png", "b/new/1.png", "--output", "all.csv")
    assert predicted(Path("all.csv")) == ["a/new/0.png", "b/new/1.png"]
    printed_by(capsys, "predict", RUN, "a/new", "--output", "folder")
    assert predicted(next(Path("folder").iterdir())) == ["0.png", "1.png"]
    assert (RUN / "predictions.csv").read_text() == own


@pytest.mark.usefixtures("trained")
def test_other_data_than_the_run_s_have_a_file_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    for more in ([], ["--data.init_args.patches_per_class", "10"], ["--data.init_args.batch_size", "7"]):
        printed_by(capsys, "predict", RUN, *more)
    assert len(list(RUN.glob("predictions*.csv"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["test", "nowhere"], "test nowhere: there is no such run folder or checkpoint"),
        (["test", "a.yaml"], "a configuration is given as --config a.yaml"),
        (["test", "empty"], "empty has no checkpoints/best.ckpt or last.ckpt"),
    ],
)
def test_what_is_no_run_is_told(arguments: list[str], message: str) -> None:
    Path("empty").mkdir()
    Path("a.yaml").write_text("a: 1")
    with pytest.raises(UserError, match=message):
        expand(arguments)


@pytest.mark.usefixtures("trained")
def test_options_keep_their_places_and_more_than_one_run_is_refused() -> None:
    config, checkpoint = RUN / "config.yaml", RUN / "checkpoints"
    long = ["--model.help", "ResNet", "--trainer.gradient_clip_val", "-1", "--stretch", "0", "2750"]
    assert expand(["test", *long, str(RUN), "--print_config"]) == [
        "test", f"--config={config}", f"--ckpt_path={checkpoint / 'best.ckpt'}", *long, "--print_config",
    ]  # fmt: skip
    assert expand(["fit", str(RUN)])[2] == f"--ckpt_path={checkpoint / 'last.ckpt'}"
    assert expand(["show", str(RUN)]) == ["show", f"--config={config}"]
    assert expand(["search", "x", "y"]) == ["search", "x", "y"]
    with pytest.raises(UserError, match="'x' is one too many"):
        expand(["test", str(RUN), "x"])


@pytest.mark.usefixtures("trained")
def test_a_run_of_a_former_version_may_have_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    path = RUN / "config.yaml"
    config = yaml.safe_load(path.read_text())
    for part in config["data"]["init_args"]["augment"]:
        part["init_args"]["off_last_epochs"] = part["init_args"].pop("disable_last_epochs")
    path.write_text(yaml.safe_dump(config))
    printed_by(capsys, "validate", RUN)
