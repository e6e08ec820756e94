"""What a person can get wrong ends in a line or two that name the culprit, and leaves nothing half written."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.data.helpers import CLASS_NAMES, make_rgb_tree

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model.init_args.class_weights", "{DemoRivr: 2.0}"], "unknown class 'DemoRivr'. Did you mean 'DemoRiver'"),
        (["--model.init_args.class_weights", "{DemoRiver: -2.0}"], "DemoRiver has weight -2.0"),
        (["--model.init_args.class_weights", "{DemoRiver: .nan}"], "DemoRiver has weight nan"),
        (["--model.init_args.class_weights", "{DemoRiver: 2.0}",
          "--model.init_args.loss", "torch.nn.MultiLabelMarginLoss"],
         "takes no class weights"),
        (["--data.init_args.batch_size", "0"], "batch_size must be at least 1"),
        (["--data.init_args.split", "RandomSplit", "--data.init_args.split.fractions", "[0.5, 0.5, 0.5]"], "fractions"),
        (["--data.init_args.split", "RandomSplit", "--data.init_args.split.fractions", "[1.0, 0.0, 0.0]"], "fractions"),
        (["--data.init_args.split", "nowhere/x-{}.txt"], "nowhere/x-train.txt"),
        (["--data.init_args.patches_per_class", "1"], "the random split leaves no patch in val and test"),
        (["--data", "EuroSAT", "--data.init_args.bands", "[B08]", "--data.init_args.variant", "jpeg"],
         "B08 is not in the RGB set"),
        (["--data", "EuroSAT", "--data.init_args.bands", "[B99]"], "unknown band 'B99'"),
        (["--model.init_args.encoder.init_args.widthz", "[1]"], "widthz"),
        (["--model.init_args.encoder", "ResNett"], "ResNett"),
        (["--checkpoint.monitor", "val/acc"], "'val/acc' is not logged; there are val/accuracy"),
        (["--ckpt_path", "nowhere.ckpt"], "nowhere.ckpt: there is no such checkpoint"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(run: Run, arguments: list[str], said: str) -> None:
    code, printed = run("fit", *arguments)
    assert code == 2
    assert said in printed
    error = printed[printed.index("eurosat_cls: error:") :]
    assert error.count("\n") <= 2, error
    assert not list(Path(".").glob("lightning_logs/*/checkpoints/*"))


def test_absent_data_are_explained_in_three_lines(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from eurosat_cls.data.files import download

    nowhere = replace(download.EUROSAT_RGB, url="http://127.0.0.1:9/EuroSAT.zip")
    monkeypatch.setattr(download.locate_or_download, "__defaults__", (None, nowhere))
    code, printed = run("fit", "--data", "EuroSAT")
    assert code == 2
    error = printed[printed.index("eurosat_cls: error:") :].strip()
    assert error.count("\n") == 2
    for part in ("EUROSAT_ROOT", "127.0.0.1:9/EuroSAT.zip", "configs/demo.yaml", str(Path("data").absolute())):
        assert part in error


@pytest.mark.usefixtures("trained")
def test_a_checkpoint_of_other_classes_is_refused(run: Run, tmp_path: Path) -> None:
    make_rgb_tree(tmp_path / "data" / "2750", 5)
    code, printed = run("test", "--ckpt_path", str(RUN / "checkpoints/last.ckpt"), "--data", "EuroSAT",
                        "--data.init_args.root", str(tmp_path / "data"))  # fmt: skip
    assert code == 2
    assert "other class names" in printed
    assert "only in the data: AnnualCrop" in printed


def test_a_checkpoint_of_other_bands_is_refused(run: Run, tmp_path: Path) -> None:
    make_rgb_tree(tmp_path / "data" / "2750", 5)
    data = ["--data", "EuroSAT", "--data.init_args.root", str(tmp_path / "data"), "--data.init_args.batch_size", "10"]
    assert run("fit", *data)[0] == 0
    code, printed = run(
        "test", "--ckpt_path", str(RUN / "checkpoints/last.ckpt"), *data, "--data.init_args.bands", "[B02, B03, B04]"
    )
    assert code == 2
    assert "other bands: the same ones in another order" in printed


@pytest.mark.usefixtures("trained")
def test_a_truncated_checkpoint_is_refused(run: Run) -> None:
    path = RUN / "checkpoints/last.ckpt"
    path.write_bytes(path.read_bytes()[:-500])
    for command in ("fit", "validate", "test", "predict"):
        code, printed = run(command, "--ckpt_path", "last")
        assert code == 2
        assert "last.ckpt: truncated, the end of this checkpoint is missing" in printed


def test_a_loss_that_is_no_number_stops_and_names_step_and_files(run: Run) -> None:
    options = ["--model.init_args.optimizer.init_args.lr", "1e30", "--model.init_args.lr_scheduler", "null"]
    code, printed = run("fit", *options, "--trainer.max_epochs", "5")
    assert code == 2
    assert "The training loss is nan at step" in printed
    assert "Files of the batch: Demo" in printed
    listed = (RUN / "nonfinite_batch.txt").read_text().split()
    assert len(listed) == 40
    for checkpoint in RUN.glob("checkpoints/*.ckpt"):
        state = torch.load(checkpoint, weights_only=True)["state_dict"]
        assert all(torch.isfinite(v).all() for v in state.values() if v.is_floating_point()), "a broken epoch was saved"


@pytest.mark.usefixtures("trained")
def test_another_split_cannot_be_continued_and_is_named_in_a_test(run: Run) -> None:
    seven = ["--data.init_args.split", "RandomSplit", "--data.init_args.split.seed", "7"]
    other = ["--ckpt_path", str(RUN / "checkpoints/last.ckpt"), *seven]
    code, printed = run("fit", *other)
    assert code == 2
    assert "another split" in printed
    code, printed = run("test", *other)
    assert code == 0
    assert "warning" in printed
    assert "another split" in printed


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"train": ["AnnualCrop_99.jpg"]}, "AnnualCrop_99"),
        ({"val": ["River_1.jpg"]}, "River_1"),
        ({"test": None}, "test.txt"),
    ],
)
def test_wrong_split_lists_are_named(run: Run, tmp_path: Path, lines: dict[str, list[str] | None], said: str) -> None:
    make_rgb_tree(tmp_path / "data" / "2750", 5)
    parts = {"train": range(1, 4), "val": [4], "test": [5]}
    for part, numbers in parts.items():
        names = [f"{name}_{number}.jpg" for name in CLASS_NAMES for number in numbers]
        extra = lines.get(part, [])
        if extra is not None:
            (tmp_path / f"list-{part}.txt").write_text("\n".join([*names, *extra]))
    code, printed = run("fit", "--data", "EuroSAT", "--data.init_args.root", str(tmp_path / "data"),
                        "--data.init_args.split", str(tmp_path / "list-{}.txt"))  # fmt: skip
    assert code == 2
    assert said in printed


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("images", "said"), [("none", "no such folder"), ("empty", "no images in it"), ("mixed", "b.png")]
)
def test_wrong_image_folders_are_named(run: Run, tmp_path: Path, images: str, said: str) -> None:
    from PIL import Image

    if images != "none":
        (tmp_path / images).mkdir()
    if images == "mixed":
        Image.new("RGB", (64, 64), (90, 90, 90)).save(tmp_path / "mixed/a.png")
        Image.new("RGB", (32, 64), (90, 90, 90)).save(tmp_path / "mixed/b.png")
        Image.new("RGB", (64, 64), (90, 90, 90)).save(tmp_path / "mixed/c.png")
    code, printed = run("predict", "--ckpt_path", "best", "--images", str(tmp_path / images))
    assert code == 2
    assert said in printed
    assert not list(RUN.glob("predictions*.csv"))


@pytest.mark.usefixtures("trained")
def test_a_failed_prediction_leaves_the_former_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("predict", "--ckpt_path", "best")
    before = (RUN / "predictions.csv").read_text()
    from eurosat_cls import Classifier

    def broken(self: Classifier, batch: object, batch_idx: int) -> torch.Tensor:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(Classifier, "predict_step", broken)
    with pytest.raises(RuntimeError, match="on purpose"):
        run("predict", "--ckpt_path", "best")
    assert (RUN / "predictions.csv").read_text() == before
