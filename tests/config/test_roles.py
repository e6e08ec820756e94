"""A class may stand where its role has it, and nowhere else."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn
from torchmetrics import Metric

from eurosat_cls import Classifier
from eurosat_cls.config.roles import LISTED, check_config, importable, parameters, resolve
from eurosat_cls.config.trust import trusting
from eurosat_cls.encoders import Encoder
from eurosat_cls.utils.errors import UserError

Run = Callable[..., tuple[int, str]]


@pytest.mark.parametrize("role", LISTED)
def test_every_entry_of_the_lists_exists_and_plays_its_role(role: str) -> None:
    for module, names in LISTED[role].items():
        for name in names:
            found = getattr(import_module(module), name)
            assert role == "function" or role in [base.__name__ for base in found.__mro__], f"{module}.{name}"


@pytest.mark.parametrize(
    "path",
    ["torch.nn.Linear", "torch.nn.functional.gelu", "torch.nn.functional.relu", "torch.optim.AdamW",
     "torch.optim.sgd.SGD", "torch.optim.lr_scheduler.ReduceLROnPlateau", "torchmetrics.Accuracy",
     "torchmetrics.classification.accuracy.MulticlassAccuracy", "lightning.pytorch.callbacks.EarlyStopping",
     "lightning.pytorch.loggers.CSVLogger", "lightning.pytorch.loggers.TensorBoardLogger", "torchvision.ops.MLP",
     "eurosat_cls.encoders.ResNet", "eurosat_cls.data.splits.RandomSplit", "eurosat_cls.checkpoints.weights.Weights",
     "eurosat_cls.metrics.Accuracy", "lightning.pytorch.strategies.DDPStrategy", "eurosat_cls.Classifier",
     "eurosat_cls.data.EuroSAT", "lightning.pytorch.profilers.SimpleProfiler", "eurosat_cls.callbacks.Projector"],
)  # fmt: skip
def test_what_a_training_is_built_of_may_be_named(path: str) -> None:
    resolve(path, "here")


@pytest.mark.parametrize(
    "path",
    ["os.system", "builtins.eval", "torch.load", "torch.hub.load", "torch.jit.ScriptModule", "torch.fx.GraphModule",
     "torch.package.PackageImporter", "torch.utils.cpp_extension.load", "torch.serialization.load", "torch.save",
     "torch.nn.functional.torch", "torch.nn.functional.importlib", "torch.utils.data.DataLoader", "torch.nn.Module",
     "torch.distributed.elastic.timer.TimerServer", "torch.nn.DataParallel", "timm.task.DistillationTeacher",
     "lightning.pytorch.cli.LightningCLI", "lightning.pytorch.cli.SaveConfigCallback", "eurosat_cls.cli.main",
     "eurosat_cls.utils.files.write_text", "eurosat_cls.callbacks.RunMetadata", "eurosat_cls.cli.trial.ReportToSearch",
     "torchvision.datasets.utils.download_url", "lightning.pytorch.callbacks.SpikeDetection",
     "torchmetrics.functional.accuracy", "torchmetrics.text.BLEUScore", "timm.create_model", "functools.partial",
     "torchmetrics.functional.image.arniqa._ARNIQA", "torchmetrics.wrappers.FeatureShare",
     "torch.optim.lr_scheduler.warnings", "lightning.pytorch.plugins.io.TorchCheckpointIO", "jsonargparse.CLI",
     "torch.nn.modules.module.functools", "..x", "x", "torch.<lambda>", "torchvision.models.resnet18",
     "lightning.pytorch.loggers.WandbLogger", "eurosat_cls.Trainer", "lightning.pytorch.demos.LightningTransformer"],
)  # fmt: skip
def test_anything_else_may_not(path: str) -> None:
    with trusting(), pytest.raises(UserError, match=r"refused|no import path|cannot be imported"):
        resolve(path, "here")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("eurosat_cls.encoders.TimmBackbone", nn.Module), ("eurosat_cls.encoders.TimmBackbone", Callback),
     ("lightning.pytorch.loggers.CSVLogger", nn.Module), ("lightning.pytorch.callbacks.ModelCheckpoint", Encoder),
     ("torch.nn.Linear", Encoder), ("torch.nn.CrossEntropyLoss", Metric), ("torch.optim.SGD", nn.Module | None),
     ("torchmetrics.MeanMetric", Callable[[int], nn.Module])],
)  # fmt: skip
def test_the_setting_says_which_role_is_meant(path: str, kind: Any) -> None:
    with pytest.raises(UserError, match=r"is refused"):
        resolve(path, "here", kind)


def test_only_lists_are_imported_for_a_config() -> None:
    assert {path.partition(".")[0] for path in importable()} <= {"eurosat_cls", "torch", "torchvision", "torchmetrics",
                                                                 "lightning"}  # fmt: skip
    assert not {"torch", "torch.nn.utils", "torchmetrics", "lightning", "lightning.pytorch"} & {*importable()}


def test_callables_in_a_configuration_are_judged() -> None:
    check_config({"a": [{"b": torch.nn.functional.relu}], "c": torch.nn.ReLU, "d": "os.system"}, {})
    for wrong in (print, torch.load, torch.hub.load, lambda: None, torch.nn.ReLU()):
        with pytest.raises(UserError, match=r"^a\.0\.b: "):
            check_config({"a": [{"b": wrong}]}, {})


def test_a_class_inside_of_another_is_judged_by_the_types_of_that() -> None:
    inner = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "."}}
    outer = {"class_path": "eurosat_cls.Classifier", "init_args": {"loss": inner}}
    with pytest.raises(UserError, match=r"^model.init_args.loss.class_path: .*CSVLogger is refused"):
        check_config({"model": outer}, {"model": Classifier})
    assert parameters(Classifier)["encoder"] == Callable[[int], Encoder]


@pytest.mark.parametrize(
    ("option", "value"),
    [("trainer.plugins", "[{class_path: lightning.pytorch.plugins.TorchCheckpointIO}]"),
     ("trainer.plugins", "[{class_path: lightning.pytorch.plugins.io.AsyncCheckpointIO}]"),
     ("trainer.plugins", "[{class_path: lightning.pytorch.strategies.launchers._SubprocessScriptLauncher}]"),
     ("trainer.profiler", "{class_path: lightning.pytorch.profilers.PyTorchProfiler, dict_kwargs: {on_trace: x}}"),
     ("model.init_args.loss", "{class_path: torch.nn.CrossEntropyLoss, dict_kwargs: {x: {class_path: os.popen}}}"),
     ("model.init_args.lr_scheduler",
      "{class_path: torch.optim.lr_scheduler.LambdaLR, init_args: {lr_lambda: torch.hub.load}}"),
     ("model", "{class_path: lightning.pytorch.demos.LightningTransformer}"),
     ("data", "{class_path: lightning.pytorch.LightningDataModule}")],
)  # fmt: skip
def test_a_command_refuses_it(run: Run, option: str, value: str) -> None:
    code, printed = run("fit", f"--{option}", value)
    assert code == 2
    assert "Traceback" not in printed
