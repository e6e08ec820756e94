"""Write what was measured of batch sizes: a picture, the values, and an overlay that ``fit`` takes."""

from pathlib import Path

from eurosat_cls.analysis.plots.files import write_png
from eurosat_cls.callbacks.finders.apply import as_overlay
from eurosat_cls.callbacks.finders.batch_sizes import BatchSizes
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_json, write_text

NAME = "batch_size"


def write_batch_sizes(found: BatchSizes, present: int, device: str, folder: Path) -> list[Path]:
    """Write ``batch_size.png``, ``batch_size.json`` and ``batch_size.yaml``; return their paths.

    Args:
        found: what was measured.
        present: the batch size of the configuration.
        device: ``cpu`` or ``cuda``.
        folder: where they go.

    Raises:
        UserError: when the folder cannot be written.
    """
    from eurosat_cls.callbacks.finders.plots import draw_batch_sizes

    picture, values, overlay = (folder / f"{NAME}.{suffix}" for suffix in ("png", "json", "yaml"))
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
    try:
        write_json(values, content)
        write_png(picture, draw_batch_sizes(found, present, device))
        write_text(overlay, as_overlay(settings, what, overlay.name))
    except OSError as error:
        raise UserError(f"{folder}: nothing can be written there ({error.strerror}).") from error
    return [picture, values, overlay]
