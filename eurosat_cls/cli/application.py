"""What the command line runs: LightningCLI with this project's links, run folders, and checkpoints by name."""

import sys
from collections.abc import Collection
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Trainer as LightningTrainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger

from eurosat_cls.analysis.dataset import patches_by_class
from eurosat_cls.callbacks import (
    Checkpoints,
    EncoderExport,
    EpochBar,
    EpochSummary,
    FallingRate,
    Freeze,
    KeepEvidence,
    Reconstructions,
    RunMetadata,
    StopOnNonFiniteLoss,
    StopRecord,
    TensorBoardText,
    TestReport,
    TestScores,
)
from eurosat_cls.callbacks.run_folder import check_writers
from eurosat_cls.checkpoints.compatibility import check_fits
from eurosat_cls.checkpoints.files import RUN, read_checkpoint, saved_configuration
from eurosat_cls.checkpoints.runs import LOGS, find_checkpoint, new_run_folder, run_folder_of
from eurosat_cls.cli.commands import CONFIGURED
from eurosat_cls.cli.first_options import HELPS
from eurosat_cls.cli.input_options import COMMANDS as WITH_INPUT
from eurosat_cls.cli.input_options import add_evidence_options, add_input_options, apply_input_options
from eurosat_cls.cli.lightning_settings import SETTINGS
from eurosat_cls.cli.pictures import DRAW, warn_of_undrawn
from eurosat_cls.cli.predict import add_image_options, images_of, prediction_writer
from eurosat_cls.cli.settle import settle
from eurosat_cls.cli.short_names import VOCABULARY
from eurosat_cls.config.differences import print_differences
from eurosat_cls.config.failures import explaining
from eurosat_cls.config.former_names import is_run_config
from eurosat_cls.config.jsonargparse_private import set_helps
from eurosat_cls.config.parse import parse
from eurosat_cls.config.roles import check_settings
from eurosat_cls.config.secrets import keep_references
from eurosat_cls.data.images import ImageFiles
from eurosat_cls.data.splits.check import check_split, split_of
from eurosat_cls.models.autoencoder import AutoEncoder
from eurosat_cls.training.execution import Execution, resolve_auto
from eurosat_cls.utils.distributed import is_first_process, rank_zero_print
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import look_through
from eurosat_cls.utils.git import revisions
from eurosat_cls.utils.locks import locked
from eurosat_cls.utils.machine import environment, versions

LOOKS = ("statistics", "show", "summary")  # these look at data or network only: no checkpoint, no run
FINDS = ("lr_find", "batch_size_find")  # these train for some steps, and leave no run
# Drawn when nothing else is said.
PICTURES = (
    "BatchPicture", "LearningCurves", "ConfusionMatrix", "ClassScores", "Calibration", "AccuracyOverCoverage",
    "Misclassified", "GradCAM", "Locations",
)  # fmt: skip


class EuroSATCLI(LightningCLI):
    """LightningCLI with links from data to model, run folders, and checkpoints found by name.

    Args:
        arguments: a command, and what follows it.
        commands: those whose parsers are made whole, which takes a while for each; of the others only their own
            options are known.
    """

    patience = 0.0  # seconds to wait for another training that writes the same run folder

    def __init__(self, arguments: list[str], commands: Collection[str]) -> None:
        self._whole = commands
        with ExitStack() as self._held:
            super().__init__(**SETTINGS, args=arguments)

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Subcommands, and the arguments of their trainer methods that are no options."""
        hidden = {"model", "datamodule", "weights_only"}
        return {
            "fit": hidden | {"train_dataloaders", "val_dataloaders"},
            "validate": hidden | {"dataloaders", "verbose"},
            "test": hidden | {"dataloaders", "verbose"},
            "predict": hidden | {"dataloaders", "return_predictions"},
            **dict.fromkeys((*LOOKS, *FINDS), hidden),
        }

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the checkpoint settings, and link what follows from the data to the model."""
        parser.add_lightning_class_args(Checkpoints, "checkpoint")
        parser.add_argument(
            "--pictures", type=list[Callback], help="Callbacks that draw what the network learned; [] for none.",
            default=[{"class_path": f"eurosat_cls.callbacks.{name}"} for name in PICTURES],
        )  # fmt: skip
        of_data = "class_names", "bands", "class_counts", "train_patches", "mean", "std", "unit", "input_statistics"
        for name in (*of_data, "task"):
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        if subcommand in self._whole:
            parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        else:
            parser = self.init_parser(**kwargs)
            parser.add_method_arguments(klass, subcommand, skip=set(self.subcommands()[subcommand]))
        set_helps(parser, CONFIGURED[subcommand], HELPS)
        if subcommand in WITH_INPUT:
            add_input_options(parser)
            add_evidence_options(parser, subcommand)
        if subcommand == "predict":
            add_image_options(parser)
        return parser

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Make one configuration of files and options, and check it."""
        self.config, self.composition = parse(parser, self._subcommand_parsers, args, VOCABULARY)
        chosen = settle(self.config[self.config.subcommand], self.composition.tree)
        for line in chosen if self.config.subcommand == "fit" else []:
            rank_zero_print(line)

    def _parse_ckpt_path(self) -> None:
        """Do nothing: Lightning would let a checkpoint's hyper-parameters, class paths included, replace the config."""

    # --- before anything is built ------------------------------------------------------------------------------

    def before_instantiate_classes(self) -> None:
        """Find the checkpoint and the run folder; refuse to evaluate without a checkpoint."""
        config = self.config[self.subcommand]
        self.root = Path(config.trainer.default_root_dir or ".") / LOGS
        self.checkpoint: dict[str, Any] | None = None
        if self.subcommand in (*LOOKS, *FINDS):
            return
        if not config.ckpt_path:
            if self.subcommand != "fit":
                raise UserError(
                    f"{self.subcommand} needs a checkpoint: --ckpt_path best, --ckpt_path last, or the path of one."
                )
            return
        config.ckpt_path = str(self._find(config.ckpt_path))
        self.checkpoint = read_checkpoint(config.ckpt_path)
        check_settings([self.checkpoint.get(key) for key in ("hyper_parameters", RUN)], config.ckpt_path, of_run=True)
        if kept := saved_configuration(self.checkpoint):
            parts = ("model", "data", *(("trainer", "seed_everything") if self.subcommand == "fit" else ()))
            print_differences(kept, self._plain_config(), parts)
        if self.subcommand == "predict" and config.images:
            config.data = images_of(config, self.checkpoint)

    def _find(self, name: str) -> Path:
        if name not in ("best", "last"):
            return Path(name)
        saved = [Path(file).parent for file in self.composition.asked.files if is_run_config(Path(file))]
        root = saved[-1] if saved else self.root  # a run's own configuration means that run
        path, differences = find_checkpoint(name, root, self._plain_config())  # type: ignore[arg-type]
        note = f" (trained with other {', '.join(differences)})" if differences else ""
        rank_zero_print(f"{name} checkpoint: {path}{note}")
        return path

    def _plain_config(self) -> dict[str, Any]:
        return dict(yaml.safe_load(self._dump()))

    def _dump(self, folder: Path | None = None) -> str:
        """The whole configuration as YAML; without a checkpoint of ``folder``, so that it starts a run anew."""
        config = self.config[self.subcommand].clone()
        if folder is not None and config.ckpt_path and run_folder_of(Path(config.ckpt_path)) == folder.resolve():
            config.ckpt_path = None
        text = self._parser(self.subcommand).dump(config, skip_unset=False, format="yaml")
        written = yaml.safe_load(text)
        kept = keep_references(written, self.composition.tree)
        return str(text if kept == written else yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        verbose = {"verbose": False}
        quiet: dict[str, Any] = {"validate": verbose, "test": verbose, "predict": {"return_predictions": False}}
        return {**super()._prepare_subcommand_kwargs(subcommand), **quiet.get(subcommand, {})}

    # --- building ----------------------------------------------------------------------------------------------

    def instantiate_classes(self) -> None:
        """Build model, data and trainer."""
        with explaining(self.composition):
            super().instantiate_classes()
        pictures = self._get(self.config_init, "pictures") or []
        warn_of_undrawn(self.composition.tree, str(self.subcommand), pictures, self.model)

    def _run_subcommand(self, subcommand: str) -> None:
        if subcommand in WITH_INPUT:
            apply_input_options(self.config[subcommand], self.model)
        with explaining(self.composition):
            super()._run_subcommand(subcommand)

    def instantiate_trainer(self, **kwargs: Any) -> LightningTrainer:
        """Settle what is ``auto``, choose the run folder, and build the trainer."""
        config = self.config[self.subcommand]
        if self.subcommand in LOOKS:
            plain = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": "32-true", "callbacks": []}
            return super().instantiate_trainer(**plain, logger=False, enable_progress_bar=False)
        if self.checkpoint is not None:
            check_fits(self.checkpoint, self.model, config.ckpt_path)
            if not isinstance(self.datamodule, ImageFiles):
                check_split(
                    split_of(self.checkpoint), self.datamodule.split, config.ckpt_path, self.subcommand == "fit"
                )
        execution = resolve_auto(
            self.model, self.datamodule, config, self.checkpoint, self.subcommand in ("fit", *FINDS)
        )
        if self.subcommand in FINDS:
            return self._finding_trainer(execution)
        folder = self._run_folder(config)
        given = config.trainer
        kwargs["precision"] = execution.precision
        if given.logger is None or given.logger is True:
            quiet = self.subcommand in ("validate", "predict") or given.fast_dev_run
            kwargs["logger"] = False if quiet else TensorBoardLogger(str(folder.parent), name="", version=folder.name)
        # A bar is for a terminal; elsewhere the line per epoch says it all.
        bar = sys.stderr.isatty() if given.enable_progress_bar is None else given.enable_progress_bar
        kwargs["enable_progress_bar"] = bar
        if given.enable_model_summary is None and self.subcommand == "fit":
            parameters = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
            rank_zero_print(f"{type(self.model).__name__}: {parameters:,} trainable parameters")
        kwargs["enable_model_summary"] = bool(given.enable_model_summary)
        callbacks = [*(self._get(self.config_init, "trainer").callbacks or [])]
        callbacks += [EpochBar()] if bar and not given.barebones else []
        callbacks += (self._get(self.config_init, "pictures") or []) if self.subcommand in DRAW else []
        kwargs["callbacks"] = callbacks + self._callbacks(folder, config, execution)
        try:
            trainer = super().instantiate_trainer(**kwargs)
        except Exception:
            with suppress(OSError):  # which is that of a folder with something in it
                self._held.close()
                (folder / ".lock").unlink(missing_ok=True)
                folder.rmdir()
                folder.parent.rmdir()
            raise
        check_writers(trainer)
        trainer.run_folder = folder  # type: ignore[attr-defined]
        return trainer

    def _finding_trainer(self, execution: Execution) -> LightningTrainer:
        """Build a trainer as that of ``fit``, without whatever writes, draws or finds."""
        given = self._get(self.config_init, "trainer").callbacks or []
        kept = [callback for callback in given if isinstance(callback, Freeze)]
        quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
        return super().instantiate_trainer(precision=execution.precision, callbacks=kept, **quiet)

    def _run_folder(self, config: Any) -> Path:
        """The folder of the run that is continued or evaluated; a new one otherwise.

        Only the first process of a training makes one, as only it writes there.
        """
        if not is_first_process():
            return self.root
        folder = run_folder_of(Path(config.ckpt_path)) if config.ckpt_path else None
        if folder is not None:
            look_through(folder)
        elif config.trainer.fast_dev_run:
            folder = self.root
        else:
            folder = self.new_folder()
        if self.subcommand == "fit" and not config.trainer.fast_dev_run:
            way_out = "wait for it, or start a run of its own without --ckpt_path"
            self._held.enter_context(locked(folder / ".lock", str(folder), way_out, self.patience))
        rank_zero_print(f"run folder: {folder}")
        return folder

    def new_folder(self) -> Path:
        """Make the folder of a new run."""
        return new_run_folder(self.root)

    def _callbacks(self, folder: Path, config: Any, execution: Execution) -> list[Any]:
        if self.subcommand == "predict":
            return [prediction_writer(self.datamodule, folder, config.output, self.checkpoint, self._plain_config())]
        split = self.datamodule.state_dict() if hasattr(self.datamodule, "state_dict") else {}
        settings = {name: getattr(execution, name) for name in ("precision", "memory_format", "compile")}
        if self.subcommand != "fit":
            details = {"split": split, "execution": settings, "versions": versions()}
            report = [TestReport(folder)] if self.subcommand == "test" else []
            return [TestScores(folder, config.ckpt_path, details), *report]
        checkpoints = self.config_init[self.subcommand].checkpoint
        checkpoints.dirpath = checkpoints.dirpath or str(folder / "checkpoints")
        record = {
            **environment(),
            "git": revisions(),
            "execution": {**settings, "measured_images_per_second": execution.rates},
            "data": {**split, "patches": patches_by_class(self.datamodule)},
        }
        text = self._dump(folder)
        kept = [RunMetadata(folder, text, record), TensorBoardText(yaml.safe_load(text), split)]
        own = [Reconstructions(), EncoderExport()] if isinstance(self.model, AutoEncoder) else [KeepEvidence()]
        return [StopOnNonFiniteLoss(), FallingRate(), EpochSummary(), StopRecord(), *kept, *own]
