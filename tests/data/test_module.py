from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from eurosat_cls.data import Batch, Demo, EuroSAT, Shift
from eurosat_cls.utils.errors import UserError
from tests.data.helpers import make_rgb_tree, make_rgb_zip


def rows_of(data: Demo, epoch: int) -> list[int]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    return [int(row) for batch in loader for row in batch.indices]


def test_the_order_depends_on_seed_and_epoch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Demo(patches_per_class=20, batch_size=40)
    monkeypatch.setenv("PL_GLOBAL_SEED", "1")
    first = rows_of(data, 0)
    assert sorted(first) == sorted(data.split.train.tolist())
    assert first != sorted(first)
    torch.manual_seed(99)
    assert rows_of(Demo(patches_per_class=20, batch_size=40), 0) == first
    assert rows_of(data, 1) != first
    monkeypatch.setenv("PL_GLOBAL_SEED", "2")
    assert rows_of(data, 0) != first


def test_batches_are_raw_and_name_their_files() -> None:
    data = Demo(patches_per_class=20, batch_size=30)
    batches = list(data.val_dataloader())
    assert [len(batch.target) for batch in batches] == [30, 10]
    batch = batches[0]
    assert batch.image.dtype == torch.uint8
    assert batch.image.shape == (30, 3, 64, 64)
    for name, label in zip(data.files(batch.indices.tolist()), batch.target.tolist()):
        assert name.split("/")[0] == data.class_names[label]


def test_mean_std_and_counts_are_those_of_the_training_patches() -> None:
    data = Demo(patches_per_class=20, batch_size=30)
    train = np.asarray(data.store.images)[data.split.train].astype(np.float64)
    np.testing.assert_allclose(data.mean, train.mean((0, 2, 3)))
    np.testing.assert_allclose(data.std, train.std((0, 2, 3)))
    assert data.class_counts == [12] * 10


def test_eurosat_from_zip_and_tree_are_alike(tmp_path) -> None:  # type: ignore[no-untyped-def]
    make_rgb_zip(tmp_path / "zip" / "EuroSAT.zip", 5)
    make_rgb_tree(tmp_path / "tree" / "2750", 5)
    a, b = EuroSAT(str(tmp_path / "zip")), EuroSAT(str(tmp_path / "tree"))
    assert a.store.files == b.store.files
    assert a.split.sha256 == b.split.sha256
    assert np.array_equal(a.store.images, b.store.images)


def test_bands_come_in_the_order_asked_for(tmp_path) -> None:  # type: ignore[no-untyped-def]
    make_rgb_zip(tmp_path / "EuroSAT.zip", 5)
    everything = EuroSAT(str(tmp_path), batch_size=4)
    swapped = EuroSAT(str(tmp_path), bands=["B02", "B04"], batch_size=4)
    a, b = (next(iter(data.test_dataloader())).image for data in (everything, swapped))
    assert torch.equal(a[:, [2, 0]], b)
    assert swapped.mean == [everything.mean[2], everything.mean[0]]
    assert swapped.patch_shape == (2, 64, 64)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bands": ["B99"]}, "unknown band 'B99'"),
        ({"bands": ["B08"], "variant": "jpeg"}, "B08 is not in the RGB set"),
        ({"bands": []}, "at least one band"),
        ({"bands": ["B04", "B04"]}, "none twice"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        EuroSAT(**arguments)  # type: ignore[arg-type]


def test_fewer_patches_than_a_batch_are_refused() -> None:
    with pytest.raises(UserError, match="fewer than one batch"):
        Demo(patches_per_class=5, batch_size=31).train_dataloader()


def test_a_class_missing_from_a_part_is_refused(tmp_path: Path) -> None:
    for part, numbers in {"train": (1, 2, 3), "val": (4,), "test": (5,)}.items():
        kept = [file for file in Demo(patches_per_class=5).store.files if int(file[:-4].rpartition("_")[2]) in numbers]
        kept = [file for file in kept if part != "train" or "DemoAnnualCrop" not in file]
        (tmp_path / f"{part}.txt").write_text("\n".join(kept))
    with pytest.raises(UserError, match="DemoAnnualCrop"):
        _ = Demo(patches_per_class=5, split=str(tmp_path)).split


def test_augmentation_follows_from_seed_epoch_and_batch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Demo(patches_per_class=20, batch_size=40, augment=[Shift(4)])
    image = torch.randint(0, 255, (8, 3, 64, 64), dtype=torch.uint8)

    def augmented(first: int, epoch: int, seed: str) -> torch.Tensor:
        monkeypatch.setenv("PL_GLOBAL_SEED", seed)
        data.trainer = SimpleNamespace(training=True, current_epoch=epoch, max_epochs=9)  # type: ignore[assignment]
        batch = Batch(image, torch.zeros(8, dtype=torch.int64), torch.arange(first, first + 8))
        torch.manual_seed(first + epoch)
        return data.on_after_batch_transfer(data.transfer_batch_to_device(batch, torch.device("cpu"), 0), 0).image

    once = augmented(0, 0, "1")
    assert torch.equal(augmented(0, 0, "1"), once)
    for other in (augmented(8, 0, "1"), augmented(0, 1, "1"), augmented(0, 0, "2")):
        assert not torch.equal(other, once)
