"""Write what a range test found: a picture, the values, and an overlay that ``fit`` takes."""

from pathlib import Path

from torch.optim import Optimizer

from eurosat_cls.analysis.plots.files import write_png
from eurosat_cls.callbacks.finders.apply import as_overlay, rate_settings, rises
from eurosat_cls.callbacks.finders.batch_sizes import BatchSizes
from eurosat_cls.callbacks.finders.learning_rate_range import RangeTest
from eurosat_cls.models.base import PatchModule
from eurosat_cls.utils.files import write_json, write_text, writing


def write_range_test(found: RangeTest, module: PatchModule, optimizer: Optimizer, folder: Path) -> list[Path]:
    """Write ``lr_find.png``, ``lr_find.json`` and, with a suggestion, ``lr_find.yaml``; return their paths.

    An overlay of an earlier test goes away, whether or not there is a new one.

    Raises:
        UserError: when the folder cannot be written.
    """
    from eurosat_cls.callbacks.finders.plots import draw_range_test

    picture, values, overlay = (folder / f"lr_find.{suffix}" for suffix in ("png", "json", "yaml"))
    content = {
        "suggestion": suggestion(found, module), "steepest": found.steepest, "highest": found.highest,
        "lowest_loss_at": found.lowest, "diverged": found.diverged,
        "learning_rate": found.rates.tolist(), "loss": found.losses.tolist(),
        "smoothed_loss": found.smoothed.tolist(), "slope_per_decade": found.slopes.tolist(),
    }  # fmt: skip
    with writing(folder):
        write_json(values, content)
        write_png(picture, draw_range_test(found, suggestion(found, module)))
        if found.steepest is None or found.highest is None:
            overlay.unlink(missing_ok=True)
            return [picture, values]
        settings = rate_settings(module, optimizer, found.steepest, found.highest)
        write_text(overlay, as_overlay(settings, "the learning rate that lr_find suggests", overlay.name))
    return [picture, values, overlay]


def suggestion(found: RangeTest, module: PatchModule) -> float | None:
    """The learning rate that matters: that of a schedule that rises to a ``max_lr``, else that of the optimizer."""
    return found.highest if rises(module) else found.steepest


def describe_range_test(found: RangeTest, module: PatchModule) -> str:
    """Say in a line what was found."""
    end = f"{'diverged' if found.diverged else 'ended'} at {found.rates[-1]:.2g}"
    first, low = found.smoothed[0], found.smoothed.min()
    seen = f"loss {first:.3g} at {found.rates[0]:.2g}, lowest {low:.3g} at {found.lowest:.2g}, {end}"
    if found.steepest is None:
        return f"no learning rate to suggest, the loss did not fall ({seen})"
    if rises(module):
        return f"suggested max_lr of the schedule {found.highest:g}; steepest descent at {found.steepest:g} ({seen})"
    return f"suggested learning rate {found.steepest:g}, of the steepest descent ({seen})"


def write_batch_sizes(found: BatchSizes, present: int, device: str, folder: Path) -> list[Path]:
    """Write ``batch_size.png``, ``batch_size.json`` and ``batch_size.yaml``; return their paths.

    ``present`` is the batch size of the configuration, ``device`` is ``cpu`` or ``cuda``.

    Raises:
        UserError: when the folder cannot be written.
    """
    from eurosat_cls.callbacks.finders.plots import draw_batch_sizes

    picture, values, overlay = (folder / f"batch_size.{suffix}" for suffix in ("png", "json", "yaml"))
    trials = [
        {"batch_size": t.batch_size, "images_per_second": round(t.images_per_second, 1), "peak_memory_bytes": t.memory}
        for t in found.trials
    ]
    content = {
        "recommended": found.recommended, "largest": found.largest, "ended": found.ended, "device": device,
        "configured": present, "trials": trials,
    }  # fmt: skip
    settings = {"data": {"init_args": {"batch_size": found.recommended}}}
    what = "the batch size that batch_size_find recommends; another one asks for another learning rate (lr_find)"
    with writing(folder):
        write_json(values, content)
        write_png(picture, draw_batch_sizes(found, present, device))
        write_text(overlay, as_overlay(settings, what, overlay.name))
    return [picture, values, overlay]
