"""The trained encoder by itself, in a file that holds nothing but weights."""

import json
import sys
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from safetensors.torch import save_file
from torch import Tensor

from eurosat_cls import __version__
from eurosat_cls.callbacks.checkpoints import Checkpoints
from eurosat_cls.callbacks.run_folder import run_folder
from eurosat_cls.checkpoints.files import read_checkpoint
from eurosat_cls.models.base import PatchModule
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import replacing, writing

PREFIX = "encoder."


class EncoderExport(Callback):
    """When a training ends, write its encoder as safetensors, with the weights of the best checkpoint.

    Without a best checkpoint of this run the weights at the end are written. The file's metadata say, as strings,
    ``encoder`` (class and arguments), ``bands``, ``mean``, ``std`` (JSON), ``epoch``, and the version of this package.

    Args:
        path: the file, ``.safetensors`` at its end; ``encoder.safetensors`` in the run folder when None.

    Raises:
        UserError: for a file that is called otherwise, so that a config cannot overwrite just any file.
    """

    def __init__(self, path: str | None = None) -> None:
        if path is not None and not path.endswith(".safetensors"):
            raise UserError(f"EncoderExport: path must end in .safetensors, got {path}.")
        self.path = path

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        if not trainer.is_global_zero or getattr(trainer, "fast_dev_run", False):
            return
        path = self._place(trainer)
        best = _best(trainer)
        if best is None:
            state, epoch = pl_module.state_dict(), trainer.current_epoch
        else:
            checkpoint = read_checkpoint(best)
            state, epoch = checkpoint["state_dict"], int(checkpoint["epoch"]) + 1
        write_encoder(path, state, {**_metadata(pl_module), "epoch": str(epoch)})
        print(f"encoder of epoch {epoch}: {path}", file=sys.stderr)

    def _place(self, trainer: Trainer) -> Path:
        if self.path is not None:
            return Path(self.path)
        checkpoints = _checkpoints(trainer)
        folder = checkpoints.folder(trainer).parent if checkpoints else run_folder(trainer)
        return folder / "encoder.safetensors"


def write_encoder(path: Path, state: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write the encoder's part of a module's state, its names without ``encoder.``; the file appears whole.

    Raises:
        UserError: when it cannot be written.
    """
    tensors = {
        name.removeprefix(PREFIX): tensor.detach().cpu().contiguous()
        for name, tensor in state.items()
        if name.startswith(PREFIX)
    }
    with writing(path), replacing(path) as part:
        save_file(tensors, part, metadata)


def _checkpoints(trainer: Trainer) -> Checkpoints | None:
    return next((callback for callback in trainer.callbacks if isinstance(callback, Checkpoints)), None)  # type: ignore[attr-defined]


def _best(trainer: Trainer) -> Path | None:
    checkpoints = _checkpoints(trainer)
    if checkpoints is None or checkpoints.best_score is None:
        return None
    best = checkpoints.folder(trainer) / "best.ckpt"
    return best if best.is_file() else None


def _metadata(model: LightningModule) -> dict[str, str]:
    if not isinstance(model, PatchModule):
        raise UserError(f"EncoderExport: a {type(model).__name__} has no encoder of this package.")
    saved = {key: json.dumps(model.hparams.get(key)) for key in ("encoder", "bands", "mean", "std")}
    return {**saved, "format": "pt", "eurosat_cls": __version__}
