"""Foreign patches on their way into a model: refused, converted, or let through with a word."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from eurosat_cls.data.eurosat import guess_unit
from eurosat_cls.data.identity import InputStatistics, Look, judge, look_at, reduced
from eurosat_cls.data.unit import OFFSET, Conversion, Unit, UnitName, ValueRange, conversion_for
from eurosat_cls.utils.distributed import rank_zero_print
from eurosat_cls.utils.errors import UserError

UPGRADE = "python -m eurosat_cls upgrade RUN adds that to a run"


def refuse_nonfinite(image: Tensor) -> None:
    """Refuse NaN and infinite values in ``[B, C, H, W]``.

    Raises:
        UserError: with the number of such patches.
    """
    if not image.is_floating_point() or bool(torch.isfinite(image.sum(dtype=torch.float64))):
        return
    count = int((~torch.isfinite(image)).flatten(1).any(1).sum())
    if count:
        raise UserError(
            f"The images hold NaN or infinite values ({count} of {len(image)} patches of a batch): fill them first, "
            "with the mean of the band for example."
        )


class InputCheck:
    """Hold patches that a model was not trained on against those that it was.

    Args:
        bands: the ``C`` bands of the model.
        class_names: its classes.
        mean: of each band in the training; None where unknown.
        std: standard deviation, likewise.
        unit: of the training patches, see :class:`~eurosat_cls.data.unit.Unit`; None where unknown.
        statistics: of the training patches, see :class:`~eurosat_cls.data.identity.InputStatistics`; likewise.
    """

    def __init__(
        self,
        bands: Sequence[str],
        class_names: Sequence[str],
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        unit: Mapping[str, Any] | None,
        statistics: Mapping[str, Any] | None,
    ) -> None:
        self.bands, self.class_names = list(bands), list(class_names)
        self.learn({"mean": mean, "std": std, "unit": unit, "input_statistics": statistics})
        self._given: UnitName | None = None
        self._stretch: Sequence[float] | None = None
        self._conversion: Conversion | None = None
        self._lines: set[str] = set()

    def learn(self, settings: Mapping[str, Any]) -> None:
        """Take what the training patches were from a model's settings, such as those that a checkpoint holds."""
        self.mean, self.std = (list(settings.get(name) or ()) for name in ("mean", "std"))
        unit, statistics = settings.get("unit"), settings.get("input_statistics")
        self.statistics = None if statistics is None else InputStatistics.from_plain(statistics, len(self.bands))
        self.unit, self.guess = (Unit.from_plain(unit), "") if unit else guess_unit(self.mean, self.class_names)

    def begin(self, unit: UnitName | None = None, stretch: Sequence[float] | None = None) -> None:
        """Begin with other patches.

        Args:
            unit: what a person says that their values are.
            stretch: values that were 0 and 255 in the training's 8-bit images.
        """
        self._given, self._stretch = unit, stretch
        self.restart()

    def restart(self) -> None:
        """Decide anew how values are converted, when the next patches come."""
        self._conversion = None

    def trained_on(self, store: object) -> bool:
        """Whether the model was trained on patches of this store."""
        return self.statistics is not None and getattr(store, "fingerprint", None) == self.statistics.fingerprint

    def __call__(self, image: Tensor) -> Tensor:
        """Return raw ``[B, C, H, W]`` in the training's unit.

        Raises:
            UserError: for NaN and infinities, and for values that are plainly in another unit or of other bands.
        """
        refuse_nonfinite(image)
        self._compare_size(image.shape[2], image.shape[3])
        pixels = reduced(image.detach()).cpu()
        pixels = (pixels.float() if pixels.dtype == torch.bfloat16 else pixels).numpy()
        look = look_at(pixels)
        try:
            convert = self._decide(look.values)
            self._doubt_offset(look.values)
            if convert.changes:
                image = torch.from_numpy(convert(image.cpu().numpy())).to(image.device)
                look = look_at(convert(pixels))
            doubt = "" if self._given == "raw" else self.compare(look, self._given is None and self._stretch is None)
        except UserError as error:
            raise UserError(f"The images: {error}.") from None
        if doubt:
            self._say_once("doubt", f"warning: images: {doubt}")
        return image

    def choose(
        self, values: ValueRange, given: UnitName | None = None, stretch: Sequence[float] | None = None
    ) -> Conversion:
        """Decide how values become the model's input, see :func:`~eurosat_cls.data.unit.conversion_for`."""
        if not self.mean:
            if given not in (None, "raw") or stretch is not None:
                raise UserError("the model does not know the unit of its training: bring the values to it, as raw ones")
            return Conversion()
        return conversion_for(self.unit, values, self.mean, given, stretch)

    def compare(self, look: Look, strict: bool = True) -> str:
        """Hold what was seen, in the training's unit, against the training; return a doubt, or nothing.

        Args:
            look: at the values.
            strict: whether what is plainly wrong is an error.

        Raises:
            UserError: naming bands and ranges, and the way out.
        """
        if not self.mean or not self.std:
            return ""
        found = judge(look, self.bands, self.mean, self.std, self.statistics)
        if found.wrong and strict:
            raise UserError(
                "in another unit than the training data, or other bands (means of patches): "
                f"{'; '.join(found.wrong[:3])}. Give values as in the training, or say what they are: --unit raw (as "
                "they are), dn (10,000 times the reflectance) or reflectance, or --stretch LOW HIGH"
            )
        odd = [*found.wrong, *found.doubtful]
        return f"outside the range of the training: {'; '.join(odd[:3])}" if odd else ""

    def _decide(self, values: ValueRange) -> Conversion:
        """Return what is done with all patches, which the first ones decide."""
        chosen = self.choose(values, self._given, self._stretch)
        if self._conversion is not None:
            if chosen.changes and not self._conversion.changes:
                raise UserError(f"values up to {values.high:,.6g}, where those before were in the training's unit")
            return self._conversion
        self._conversion = chosen
        if self.statistics is None and self.mean:
            note = f" ({self.guess}, by its mean)" if self.guess else ""
            self._say_once(
                "unknown", "the model does not say what its training patches were, so that its input cannot be "
                f"checked{note}; {UPGRADE}",
            )  # fmt: skip
        if chosen.changes:
            self._say_once(chosen.describe(), f"images: {chosen.describe()}")
        elif self.mean and values.dtype in ("uint16", "int16") and self.unit.dtype == "uint8" and self._given is None:
            text = f"images: {values.dtype}, in training {self.unit.dtype}; the values are taken as they are"
            self._say_once(text, text)
        return chosen

    def _doubt_offset(self, values: ValueRange) -> None:
        """Say that an offset may still be in digital numbers: no Sentinel-2 band is as bright everywhere."""
        digital = self.unit.reflectance and values.dtype in ("uint16", "int16") and self._given != "raw"
        if digital and len(self.bands) > 1 and values.low > -OFFSET:
            baseline = f"as in products since baseline 04.00; add their offset of {OFFSET:,} first"
            self._say_once("offset", f"warning: images: all values are above {-OFFSET:,}, {baseline}")

    def _compare_size(self, height: int, width: int) -> None:
        if self.statistics is not None and (height, width) != self.statistics.size:
            there = " x ".join(map(str, self.statistics.size))
            self._say_once(
                f"{height} x {width}", f"warning: patches of {height} x {width} pixels, the model was trained on "
                f"{there}: expect less of it"
            )  # fmt: skip

    def _say_once(self, key: str, text: str) -> None:
        if key not in self._lines:
            self._lines.add(key)
            rank_zero_print(text)
