import torch

from eurosat_cls.data.augment import (
    Augmentation,
    BandDropout,
    BandJitter,
    Blur,
    BrightnessContrast,
    Crop,
    CutMix,
    Cutout,
    Dihedral,
    Flip,
    Mixup,
    Noise,
    Shift,
)
from eurosat_cls.data.batch import Batch

DTYPES = [torch.uint8, torch.uint16, torch.float32]
RESHAPING = (Dihedral, Flip, Shift, Crop)
TINTING = (BandJitter, BrightnessContrast, Blur, Noise, BandDropout, Cutout)
MIXING = (Mixup, CutMix)
EVERY: tuple[type[Augmentation], ...] = (*RESHAPING, *TINTING, *MIXING)


def batch(
    size: int | tuple[int, int] = 16, channels: int = 3, n: int = 16, dtype: torch.dtype = torch.uint8, classes: int = 5
) -> Batch:
    """Random patches over the whole range of their dtype, with one-hot targets."""
    height, width = (size, size) if isinstance(size, int) else size
    high = 256 if dtype == torch.uint8 else 65536
    image = torch.randint(0, high, (n, channels, height, width), generator=generator(1)).to(dtype)
    target = torch.nn.functional.one_hot(torch.arange(n) % classes, classes).float()
    return Batch(image, target, torch.arange(100, 100 + n))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return which patches of two batches are equal."""
    return (a == b).flatten(1).all(1)
