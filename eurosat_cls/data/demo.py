"""The embedded demo data: drawn, not observed, so that everything can be tried without a download."""

from typing import Any

from eurosat_cls.data import demo_patches
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.sentinel2 import RGB
from eurosat_cls.data.store.store import Store, open_or_build
from eurosat_cls.data.store.store_spec import Recipe
from eurosat_cls.utils.errors import UserError


class Demo(PatchDataModule):
    """Drawn 64x64 RGB patches of ten land covers, called ``Demo...`` so that nobody takes them for real ones.

    Args:
        patches_per_class: how many of each class.
        data_seed: seed of the drawings.
        batch_size: patches of a batch.
        shared: the settings that all data modules have, see :class:`~eurosat_cls.data.module.PatchDataModule`.
    """

    def __init__(self, patches_per_class: int = 300, data_seed: int = 0, batch_size: int = 64, **shared: Any) -> None:
        super().__init__(bands=None, batch_size=batch_size, **shared)
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
