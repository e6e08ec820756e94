"""The embedded demo data: drawn, not observed, so that everything can be tried without a download."""

from eurosat_cls.data import demo_patches
from eurosat_cls.data.augment import Augmentation
from eurosat_cls.data.module import Part, PatchDataModule
from eurosat_cls.data.sentinel2 import RGB
from eurosat_cls.data.splits import SplitMethod
from eurosat_cls.data.store.store import Recipe, Store, open_or_build
from eurosat_cls.utils.errors import UserError


class Demo(PatchDataModule):
    """Drawn 64x64 RGB patches of ten land covers, called ``Demo...`` so that nobody takes them for real ones.

    Args:
        patches_per_class: how many of each class.
        data_seed: seed of the drawings.
        split: as in :class:`~eurosat_cls.data.module.PatchDataModule`, like the arguments below.
        shots_per_class: train on that many patches of each class only.
        train_fraction: train on that share of the training patches only.
        subset_seed: picks the patches of the two settings above.
        batch_size: patches of a batch.
        augment: augmentations of the training batches.
        predict_split: which part ``predict`` goes through.
    """

    def __init__(
        self,
        patches_per_class: int = 300,
        data_seed: int = 0,
        split: SplitMethod | str = "random",
        shots_per_class: int | None = None,
        train_fraction: float = 1.0,
        subset_seed: int = 0,
        batch_size: int = 64,
        augment: list[Augmentation] | None = None,
        predict_split: Part = "test",
    ) -> None:
        super().__init__(
            bands=None,
            split=split,
            batch_size=batch_size,
            augment=augment,
            predict_split=predict_split,
            shots_per_class=shots_per_class,
            train_fraction=train_fraction,
            subset_seed=subset_seed,
        )
        if patches_per_class < 1:
            raise UserError(f"data.patches_per_class must be at least 1, got {patches_per_class}.")
        self.patches_per_class, self.data_seed = patches_per_class, data_seed

    def open_store(self) -> Store:
        """Open the drawn patches, drawing them first if need be."""
        names = demo_patches.CLASS_NAMES
        pairs = {
            f"{name}/{name}_{number}.png": (label, number)
            for label, name in enumerate(names)
            for number in range(1, self.patches_per_class + 1)
        }
        recipe = Recipe(
            name=f"demo-{self.patches_per_class}-{self.data_seed}",
            fingerprint=f"demo version {demo_patches.VERSION}, seed {self.data_seed}, {len(pairs)} patches",
            class_names=names,
            bands=RGB,
            shape=(3, 64, 64),
            dtype="uint8",
            source="demo data",
            files=lambda: [(file, label) for file, (label, _) in pairs.items()],
            decode=lambda file: demo_patches.generate(*pairs[file], self.data_seed),
        )
        return open_or_build(recipe)
