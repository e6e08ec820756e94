"""Lightning's Trainer with safe checkpoints and a precision that follows the machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule
from lightning.pytorch import Trainer as LightningTrainer

from eurosat_cls.checkpoints.files import SafeCheckpointIO
from eurosat_cls.data.module import PatchDataModule, require_patches
from eurosat_cls.models.base import PatchModule
from eurosat_cls.models.resume import within_epoch
from eurosat_cls.training.dry_run import dry_run
from eurosat_cls.training.precision import check_precision, device_of, supports_bf16
from eurosat_cls.training.sync_batch_norm import SyncedBatchNorm
from eurosat_cls.utils.distributed import is_lost_process
from eurosat_cls.utils.errors import UserError, find_user_error
from eurosat_cls.utils.lightning_private import PRECISION_INPUT, leave_signals, start_next_epoch
from eurosat_cls.utils.names import own_name
from eurosat_cls.utils.threads import share_among

if TYPE_CHECKING:  # matplotlib is loaded when something is drawn
    from matplotlib.figure import Figure

LOOK_FOLDER = Path("lightning_logs/data")  # where the commands that look at the data write


class Trainer(LightningTrainer):
    """Lightning's Trainer; its methods are the subcommands of the command line.

    Checkpoints are written whole or not at all, and read with ``weights_only=True`` only.

    Signals are left to the callbacks. Several processes share batch normalisation.

    Args:
        accelerator: as Lightning's.
        precision: as Lightning's, or ``auto``. The command line measures what ``auto`` should be; used by hand it is
            bf16-mixed where the device computes in bfloat16, else 32-true.
        plugins: as Lightning's; the safe checkpoint plugin is added.
        sync_batchnorm: with several processes, let batch normalisation see the batches of all, on CPUs too.
        kwargs: everything else as Lightning's.

    Raises:
        UserError: when bfloat16 is asked for on a device that has none; for a ``model_registry``, or
            ``overfit_batches``.
    """

    run_folder: Path | None = None  # where files of the run go; the logger's folder when None
    figures: "dict[str, Figure] | None" = None  # gets what callbacks draw, by name

    def __init__(
        self,
        *,
        accelerator: str = "auto",
        precision: Literal["auto"] | PRECISION_INPUT | None = "auto",
        plugins: Any = None,
        sync_batchnorm: bool = True,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("model_registry") is not None:
            raise UserError("trainer.model_registry: checkpoints are neither sent to nor fetched from anywhere.")
        if kwargs.get("overfit_batches"):
            raise UserError(
                "trainer.overfit_batches: batches cannot be held fast here; data.shots_per_class trains on few patches."
            )
        device = device_of(accelerator) if isinstance(accelerator, str) else torch.device("cpu")
        if precision == "auto":
            precision = "bf16-mixed" if supports_bf16(device) else "32-true"
        check_precision(precision, device)
        given = plugins if isinstance(plugins, list) else [plugins] if plugins is not None else []
        own: list[Any] = [SafeCheckpointIO(), *([SyncedBatchNorm()] if sync_batchnorm else [])]
        super().__init__(accelerator=accelerator, precision=precision, plugins=[*given, *own], **kwargs)
        leave_signals(self)
        if self.num_devices > 1 and self.strategy.root_device.type == "cpu":
            share_among(self.num_devices)

    def _run(self, model: LightningModule, ckpt_path: Any = None, weights_only: bool | None = None) -> Any:
        try:
            return super()._run(model, ckpt_path, weights_only)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, MemoryError) as error:
            of_states = isinstance(model, PatchModule) and model.is_restoring and not is_lost_process(error)
            if not of_states or find_user_error(error) or isinstance(error, torch.OutOfMemoryError):
                raise
            said = f"{type(error).__name__}: {error}".splitlines()[0][:150]
            raise UserError(f"{ckpt_path}: what it holds cannot be restored ({said}).") from error

    def _run_stage(self) -> Any:
        if not within_epoch(self):
            start_next_epoch(self)
        if self.training:
            dry_run(self)
        return super()._run_stage()

    def statistics(
        self,
        model: LightningModule | None = None,
        datamodule: LightningDataModule | None = None,
        output: str | None = None,
    ) -> None:
        """Print statistics of the data: of every band over the training patches, of classes and split.

        Args:
            model: not used.
            datamodule: the data.
            output: folder for ``statistics.json``, which has them all; by default one of these data's own.

        Raises:
            UserError: for other data than patches, or a folder that cannot be written.
        """
        from eurosat_cls.analysis.dataset_tables import write_statistics

        data = require_patches(datamodule, "statistics")
        write_statistics(data, Path(output or _look_folder(data)))

    def show(
        self,
        model: LightningModule | None = None,
        datamodule: LightningDataModule | None = None,
        output: str | None = None,
    ) -> None:
        """Draw pictures of the data: patches, classes, histograms, spectra, and what augmentations do.

        Args:
            model: not used.
            datamodule: the data.
            output: folder for the pictures (PNG); by default one of these data's own.

        Raises:
            UserError: for other data than patches, or a folder that cannot be written.
        """
        from eurosat_cls.analysis.dataset_plots import write_pictures  # matplotlib is for those who look

        data = require_patches(datamodule, "show")
        write_pictures(data, Path(output or _look_folder(data)))

    def lr_find(
        self,
        model: LightningModule,
        datamodule: LightningDataModule | None = None,
        min_lr: float = 1e-6,
        max_lr: float = 1.0,
        steps: int = 200,
        output: str = "lightning_logs/lr_find",
    ) -> None:
        """Suggest a learning rate: train some steps with growing ones, look at the loss, and undo the steps.

        Args:
            model: the model.
            datamodule: the data.
            min_lr: learning rate of the first step.
            max_lr: learning rate of the last step; the test ends earlier when the loss diverges.
            steps: steps of the test.
            output: folder for ``lr_find.png``, ``lr_find.json``, and ``lr_find.yaml``, which ``fit`` takes.

        Raises:
            UserError: for a range that cannot be tested, or a loss that does not fall in it.
        """
        from eurosat_cls.callbacks.finders.learning_rate import LearningRateFinder

        self._find(LearningRateFinder(min_lr, max_lr, steps, folder=output, then_leave=True), model, datamodule)

    def batch_size_find(
        self,
        model: LightningModule,
        datamodule: LightningDataModule | None = None,
        smallest: int = 8,
        largest: int = 4096,
        output: str = "lightning_logs/batch_size_find",
    ) -> None:
        """Recommend a batch size: train some steps with growing ones until memory or data end, and undo the steps.

        Args:
            model: the model.
            datamodule: the data.
            smallest: batch size to begin with; it is doubled from there.
            largest: batch size to end with.
            output: folder for ``batch_size.png``, ``batch_size.json``, and ``batch_size.yaml``, which ``fit`` takes.

        Raises:
            UserError: when not even the smallest batch can be trained.
        """
        from eurosat_cls.callbacks.finders.batch_size import BatchSizeFinder

        self._find(BatchSizeFinder(smallest, largest, folder=output, then_leave=True), model, datamodule)

    def _find(self, finder: Callback, model: LightningModule, datamodule: LightningDataModule | None) -> None:
        """Let ``fit`` set everything up; the finder leaves it before the first step."""
        if self.world_size > 1:
            raise UserError(
                "lr_find and batch_size_find take their steps in one process: leave out trainer.devices (and "
                f"num_nodes), which ask for {self.world_size}. Batch sizes are those of one process."
            )
        callbacks: list[Callback] = self.callbacks  # type: ignore[has-type]
        checks = self.num_sanity_val_steps
        self.callbacks, self.num_sanity_val_steps = [*callbacks, finder], 0
        try:
            self.fit(model, datamodule=datamodule)
        finally:
            self.callbacks, self.num_sanity_val_steps = callbacks, checks

    def summary(
        self,
        model: LightningModule | None = None,
        datamodule: LightningDataModule | None = None,
        batch_size: int = 64,
        depth: int = 3,
    ) -> None:
        """Print the network's layers: output shapes, parameters and multiply-adds.

        Args:
            model: the model.
            datamodule: the data, whose patches the network is for.
            batch_size: patches of the batch that the sums are for.
            depth: how many names deep the table goes; 1 shows normalisation, encoder and decoder.

        Raises:
            UserError: for another model or other data than this package's, or patches that the network cannot take.
        """
        from eurosat_cls.analysis.summary import print_summary

        if not isinstance(model, PatchModule):
            raise UserError("summary needs a model with encoder and decoder, as those of eurosat_cls are.")
        print_summary(model, require_patches(datamodule, "summary").patch_shape, batch_size, depth)


def _look_folder(data: PatchDataModule) -> Path:
    """A folder for what is made of these data and this split of them, and of no others."""
    source = data.store.source
    return LOOK_FOLDER / own_name(source, "\0".join([source, data.split.sha256, *data.bands]))
