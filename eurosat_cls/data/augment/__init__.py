"""Augmentation of whole raw batches, on whatever device they are.

Every augmentation works for any number of bands and any sensor dtype: integers stay integers, rounded and clamped to
their range, floats stay floats. It draws only from the CPU generator and the epoch that it is given, so that a resumed
run augments exactly as an uninterrupted one, on any device.
"""

from eurosat_cls.data.augment.base import Augmentation, augment_batch, check_schedule
from eurosat_cls.data.augment.erase import BandDropout, Cutout
from eurosat_cls.data.augment.geometric import Crop, Dihedral, Flip, Geometric, Shift, dihedral_view
from eurosat_cls.data.augment.mixing import CutMix, Mixing, Mixup
from eurosat_cls.data.augment.photometric import BandJitter, BrightnessContrast, Photometric
from eurosat_cls.data.augment.soft_labels import SoftLabels
from eurosat_cls.data.augment.texture import Blur, Noise

__all__ = [
    "Augmentation",
    "BandDropout",
    "BandJitter",
    "Blur",
    "BrightnessContrast",
    "Crop",
    "CutMix",
    "Cutout",
    "Dihedral",
    "Flip",
    "Geometric",
    "Mixing",
    "Mixup",
    "Noise",
    "Photometric",
    "Shift",
    "SoftLabels",
    "augment_batch",
    "check_schedule",
    "dihedral_view",
]
