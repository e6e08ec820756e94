"""Train from Python: ``fit`` with a configuration and a few settings on top, as the command line does."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningDataModule
from lightning.pytorch import Trainer as LightningTrainer

from eurosat_cls.checkpoints.files import checkpoint_in, read_checkpoint
from eurosat_cls.cli.application import EuroSATCLI
from eurosat_cls.cli.evaluation import Evaluation, evaluate
from eurosat_cls.cli.run import perform
from eurosat_cls.data.module import require_patches
from eurosat_cls.models.autoencoder import AutoEncoder
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.loading import model_of
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.signals import STOPPING, Stopped
from eurosat_cls.utils.terminal import escaped_output

if TYPE_CHECKING:  # matplotlib is loaded when something is drawn
    from matplotlib.figure import Figure

_KEY = re.compile(r"[A-Za-z_]\w*(\.\w+)*\+?")
_NO_SETTINGS = ("config", "overlay", "help", "print_config", "print_completion", "trust")


@dataclass(frozen=True)
class Run:
    """What a training has left.

    Attributes:
        folder: the run folder, as the command ``fit`` makes it.
        metrics: of the last epoch, by the names that they are logged by, such as ``val/accuracy``.
        figures: what it drew, by the names of the files in the folder, such as ``curves``.
        data: the data module.
        trainer: the trainer; its ``lightning_module`` has the weights of the last step.
        trust: packages whose classes the configuration named.
    """

    folder: Path
    metrics: dict[str, float]
    figures: "dict[str, Figure]"
    data: LightningDataModule
    trainer: LightningTrainer
    trust: Sequence[str] = ()

    @cached_property
    def model(self) -> Classifier | AutoEncoder:
        """The model of the best checkpoint, in evaluation mode on the CPU.

        Raises:
            UserError: where the training has saved none.
        """
        file = checkpoint_in(self.folder)
        return model_of(read_checkpoint(file), file, self.trust)

    def evaluate(self) -> Evaluation:
        """Evaluate that model on the test patches, see :func:`eurosat_cls.evaluate`.

        Raises:
            UserError: for a model that is no classifier.
        """
        model: Any = self.model  # evaluate itself refuses an autoencoder
        return evaluate(model, require_patches(self.data, "evaluate"))


class _Fit(EuroSATCLI):
    def instantiate_trainer(self, **kwargs: Any) -> LightningTrainer:
        """Build the trainer of ``fit``, and let it keep what is drawn."""
        trainer = super().instantiate_trainer(**kwargs)
        trainer.figures = {}  # type: ignore[attr-defined]
        return trainer


def fit(
    config: str | Path | Mapping[str, Any] | Sequence[str | Path | Mapping[str, Any]] = "tiny_resnet18",
    overrides: Mapping[str, Any] | None = None,
    *,
    trust: Sequence[str] = (),
) -> Run:
    """Train as the command ``fit`` does, with its checks, its run folder and its line for each epoch.

    An interrupted training has saved where it was: with ``{"ckpt_path": "last"}`` among the overrides it goes on.

    Args:
        config: a YAML file, the name of a shipped one, or settings as a mapping; or several of these, of which the
            later ones count for more.
        overrides: settings on top, by dotted key: ``{"trainer.max_epochs": 3}``.
        trust: packages whose classes may be named, as ``--trust`` does.

    Raises:
        UserError: for whatever a person can mend, as the command line says it.
        KeyboardInterrupt: when it was interrupted.

    Example:
        >>> run = fit(["tiny_resnet18", "demo"], {"trainer.max_epochs": 3})  # doctest: +SKIP
        >>> run.metrics["val/accuracy"]  # doctest: +SKIP
        0.83
    """
    arguments = ["fit", *_files(config), *_options({} if overrides is None else overrides)]
    try:
        with escaped_output():
            cli = perform(arguments, trust, _Fit)
    except Stopped as stopped:
        if stopped.signal != STOPPING[0]:
            raise SystemExit(stopped.exit_code) from None
        raise KeyboardInterrupt("the training has saved where it was: ckpt_path: last goes on") from None
    assert cli is not None
    trainer: Any = cli.trainer
    metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
    return Run(trainer.run_folder, metrics, trainer.figures, cli.datamodule, trainer, trust)


def _files(config: Any) -> list[str]:
    if isinstance(config, (str, os.PathLike, Mapping)):
        config = [config]
    if not isinstance(config, Iterable) or isinstance(config, bytes):
        raise UserError(f"config: expected a file, a name, a mapping, or a list of them, got {type(config).__name__}.")
    return [f"--config={_text('config', part)}" for part in config]


def _options(overrides: Any) -> list[str]:
    if not isinstance(overrides, Mapping):
        raise UserError(f"overrides: expected a mapping of dotted keys to values, got {type(overrides).__name__}.")
    for key in overrides:
        parts = str(key).split(".")
        if not isinstance(key, str) or not _KEY.fullmatch(key) or parts[0] in _NO_SETTINGS or parts[-1] == "help":
            raise UserError(f"overrides: {key!r} is no dotted key of the configuration, such as trainer.max_epochs.")
    return [f"--{key}={_text(key, value)}" for key, value in overrides.items()]


def _text(key: str, value: Any) -> str:
    """A value as the command line takes it: text as it is, all else as JSON, which is YAML."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{key}: {value!r:.80} is no setting: {error}.") from error


def _plain(value: Any) -> Any:
    """What JSON has no form for, and is a setting all the same."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):  # numbers and arrays of numpy and torch
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is neither text, number, list nor mapping")
