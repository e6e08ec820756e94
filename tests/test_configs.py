"""Every file in configs/ runs: alone it means real data, so here the demo data and a short training go on top."""

from pathlib import Path

import pytest

from tests.conftest import CONFIGS, QUICK, exit_code

OVERLAYS = sorted(p.stem for p in CONFIGS.glob("*.yaml") if p.stem != "tiny_resnet18")


@pytest.mark.parametrize("overlay", ["", *OVERLAYS])
def test_config_fits_tests_and_predicts(overlay: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick = tmp_path / "quick.yaml"
    import yaml

    short = {
        "data": {"class_path": "Demo", "init_args": {"patches_per_class": 5, "batch_size": 10}},
        "trainer": {**QUICK["trainer"], "max_epochs": 1},
        "model": {"init_args": {"memory_format": "contiguous"}},
    }
    if overlay == "focal_loss":  # its weights name classes of EuroSAT
        short["model"]["init_args"]["class_weights"] = {"DemoPermanentCrop": 1.5}
    quick.write_text(yaml.safe_dump(short))
    files = (
        [str(CONFIGS / "tiny_resnet18.yaml")] + ([str(CONFIGS / f"{overlay}.yaml")] if overlay else []) + [str(quick)]
    )
    arguments = [part for file in files for part in ("--config", file)]
    for command in (["fit"], ["test", "--ckpt_path", "best"], ["predict", "--ckpt_path", "best"]):
        assert exit_code([command[0], *arguments, *command[1:]]) == 0, capsys.readouterr().err
    assert Path("lightning_logs/version_0/predictions.csv").is_file()


def test_the_shipped_model_is_small_enough(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import torch

    assert exit_code(["fit", "--config", str(CONFIGS / "tiny_resnet18.yaml"), "--config", str(CONFIGS / "demo.yaml"),
                 "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--trainer.limit_val_batches", "1",
                 "--data.init_args.patches_per_class", "5", "--data.init_args.batch_size", "10",
                 "--trainer.precision", "32-true", "--model.init_args.memory_format", "contiguous"]) == 0  # fmt: skip
    state = torch.load("lightning_logs/version_0/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    trained = sum(v.numel() for k, v in state.items() if k.startswith(("encoder.", "decoder.")) and _trainable(k))
    assert trained == 1_224_058 < 1_500_000


def _trainable(key: str) -> bool:
    return not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
