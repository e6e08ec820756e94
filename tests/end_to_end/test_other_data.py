"""A training that meets other data than it was started with."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.helpers import make_rgb_tree

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")


@pytest.mark.slow
def test_a_training_goes_on_with_other_data_never_silently(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_rgb_tree(data / "2750", 20)
    ours = ("--data", "EuroSAT", "--data.init_args.root", str(data), "--data.init_args.batch_size", "40")
    assert run("fit", *ours)[0] == 0
    go_on = ("fit", *ours, "--trainer.max_epochs", "3", "--ckpt_path", str(RUN / "checkpoints/last.ckpt"))
    code, printed = run("fit", "--ckpt_path", str(RUN / "checkpoints/last.ckpt"))
    assert code == 2
    assert "was trained on other class names" in printed
    (data / "2750/Forest/Forest_1.jpg").write_bytes((data / "2750/Forest/Forest_2.jpg").read_bytes())
    code, printed = run(*go_on)
    assert code == 0
    assert f"warning: data: {data / '2750'} is not what the checkpoint was trained on" in printed
    (data / "2750/Forest/Forest_1.jpg").unlink()
    code, printed = run(*go_on)
    assert code == 2
    assert "was trained on another split of the data" in printed
    shutil.copytree(data / "2750", tmp_path / "folder")
    other = ("fit", "--data", "ImageFolder", "--data.init_args.root", str(tmp_path / "folder"), *ours[-2:])
    code, printed = run(*other, *go_on[-4:])
    assert code == 2
    assert re.search("was trained on (another split of the data|other bands)", printed)
