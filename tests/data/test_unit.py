"""Data modules say what their values are, and checkpoints keep it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eurosat_cls import load
from eurosat_cls.data import EuroSAT
from eurosat_cls.data.identity import InputStatistics
from eurosat_cls.data.unit import Unit


@pytest.mark.parametrize(
    ("variant", "unit"),
    [("jpeg", Unit("uint8", True, (0, 2750), "L1C")), ("tiff", Unit("uint16", True, None, "L1C"))],
)
def test_eurosat_says_how_its_patches_were_made_of_reflectance(variant: str, unit: Unit) -> None:
    assert Unit.from_plain(EuroSAT(variant=variant).unit) == unit  # type: ignore[arg-type]


def test_a_checkpoint_keeps_the_unit_of_its_training(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    assert run("fit", "--trainer.max_epochs", "1")[0] == 0
    model = load(tmp_path / "lightning_logs" / "version_0")
    assert Unit.from_plain(model.hparams["unit"]) == Unit("uint8")
    kept = InputStatistics.from_plain(model.hparams["input_statistics"], 3)
    assert (kept.dtype, kept.size) == ("uint8", (64, 64))
    low, _, middle, _, high = np.array(kept.patch_percentiles).T
    for below, above in ((kept.minimum, low), (low, middle), (middle, high), (high, kept.maximum)):
        assert np.less(below, above).all()
