"""From a checkpoint to the files of an export: written aside, proved, and only then given their names."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np

from eurosat_cls.checkpoints.files import checkpoint_in, read_checkpoint
from eurosat_cls.checkpoints.portable import is_portable
from eurosat_cls.checkpoints.runs import run_folder_of
from eurosat_cls.config.trust import trusting
from eurosat_cls.data.splits.check import split_of
from eurosat_cls.export.build import Build
from eurosat_cls.export.card import PATCH, card_of, test_of
from eurosat_cls.export.network import sample_of
from eurosat_cls.export.options import ExportOptions
from eurosat_cls.export.patches import Patches, patches_of
from eurosat_cls.export.proof import check_extra
from eurosat_cls.models.loading import model_of
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import file_digest, look_through, private_folder, publish, writing


def export_model(
    checkpoint: str | Path,
    options: ExportOptions | None = None,
    trust: Sequence[str] = (),
    message: Callable[[str], None] = print,
) -> Path:
    """Export a trained model; every file is compared with it in a fresh process before it gets its name.

    Args:
        checkpoint: a run folder (its best checkpoint is taken, else the last one) or a checkpoint.
        options: see :class:`~eurosat_cls.export.options.ExportOptions`.
        trust: as in :func:`eurosat_cls.load`.
        message: prints a line.

    Returns:
        The folder with the files.

    Raises:
        UserError: for whatever a person can mend.
        NotEqual: when a file does not answer as the model does; nothing is left then.
    """
    options = options or ExportOptions()
    file = checkpoint_in(Path(checkpoint))
    if is_portable(file):
        raise UserError(f"{file}: is an exported model already; name the run or the checkpoint that it was made of.")
    check_extra()
    saved, run = read_checkpoint(file), run_folder_of(file)
    out = Path(options.out) if options.out is not None else (run or file.parent) / "export"
    _check_free(out, options)
    for folder in (out, *([run] if run is not None and options.out is None else [])):
        if folder.exists():
            look_through(folder)
    with trusting(trust) as trusted:
        model = model_of(
            saved, file, trusted, **({} if options.calibrate is None else {"calibrate": options.calibrate})
        )

        def parts(part: Literal["train", "test"], count: int) -> Patches:
            return patches_of(saved, str(file), part, count, trusted)

        try:
            patches, source = parts("test", options.patches).images, "test patches of the run's data"
        except (TypeError, ValueError, OSError) as error:  # ValueErrors are those of this project, too
            side = split_of(saved).get("patch_size", PATCH)
            patches, source = sample_of(model, side, options.patches).numpy(), "drawn patches"
            message(f"drawn patches are compared, as there are no others: {error}")
        card = card_of(model, saved, file_digest(file), test_of(run, file), options.license)
        with _placing(out, options.files) as folder:
            Build(model, card, options, np.ascontiguousarray(patches), source, parts, folder, message).run()
    if getattr(model, "test_time_augmentation", False):
        message("the network sees one view; the eight that this checkpoint averages are made by load and map.")
    return out


def _check_free(out: Path, options: ExportOptions) -> None:
    if (there := [name for name in options.files if (out / name).exists()]) and not options.overwrite:
        raise UserError(f"{out / there[0]}: is there already; --overwrite replaces it, --out names another folder.")
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out}: is a file; name a folder.")


@contextmanager
def _placing(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield a folder beside; when the block ends well, move from it what has these names, or else nothing."""
    made = not out.exists()
    with writing(out, "Name another folder with --out."):
        out.mkdir(parents=True, exist_ok=True)
        try:
            with private_folder(out / "export") as folder:
                yield folder
                for name in names:
                    if (folder / name).exists():
                        publish(folder / name, out / name)
                    elif (out / name).is_dir():  # of an earlier export: what is not kept now
                        shutil.rmtree(out / name)
                    else:
                        (out / name).unlink(missing_ok=True)
        finally:
            if made:
                with suppress(OSError):  # not empty: it is what was asked for
                    out.rmdir()
