"""Wall: which classes a config or a checkpoint may name, by the role that they play.

A class path is taken where the type of the setting that it stands at has it in one of the lists below, which were
looked through once; a class that a new version of a library adds is not in by itself. Of this package, subclasses of
:class:`~eurosat_cls.utils.configurable.Configurable` are in, where they have the setting's type. Everything else is for
``--trust``. The lists are text: nothing is imported to judge a name, and nothing outside of their modules for a config.
"""

import inspect
import os
import re
import sys
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from eurosat_cls.config import trust
from eurosat_cls.config.limits import plain_mapping, walk
from eurosat_cls.config.settings import bases, elements
from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.network import allow

INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
_TASKS = ("Binary", "Multiclass", "Multilabel")
# By the name of the base class that a setting's type has: a module, and the classes in it; those with a star by task.
_LISTS = """
Module eurosat_cls.losses: FocalLoss GaussianReconstruction SigmoidFocalLoss
Module torch.nn: BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CrossEntropyLoss GaussianNLLLoss
  HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss MSELoss MarginRankingLoss MultiLabelMarginLoss
  MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss PoissonNLLLoss SmoothL1Loss SoftMarginLoss TripletMarginLoss
  TripletMarginWithDistanceLoss AvgPool2d BatchNorm1d BatchNorm2d Conv2d CosineSimilarity Dropout ELU Flatten GELU
  GroupNorm Hardsigmoid Hardswish Hardtanh Identity InstanceNorm2d LayerNorm LeakyReLU Linear MaxPool2d Mish PReLU
  PairwiseDistance RMSNorm ReLU ReLU6 SELU SiLU Sigmoid Softmax Softplus Softsign Tanh
Module torchvision.ops: MLP SqueezeExcitation StochasticDepth
function torch.nn.functional: celu cosine_similarity elu gelu glu hardsigmoid hardswish hardtanh leaky_relu
  log_softmax logsigmoid mish pairwise_distance relu relu6 selu sigmoid silu softmax softplus softsign tanh
Optimizer eurosat_cls.optimizers: SAM
Optimizer torch.optim: ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax LBFGS Muon NAdam RAdam RMSprop Rprop SGD
  SparseAdam
LRScheduler torch.optim.lr_scheduler: ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR ExponentialLR
  LambdaLR LinearLR MultiStepLR MultiplicativeLR OneCycleLR PolynomialLR ReduceLROnPlateau StepLR
LRScheduler lightning.pytorch.cli: ReduceLROnPlateau
Metric eurosat_cls.metrics: Accuracy BinaryMacroF1 MacroF1 MeanLoss
Metric torchmetrics.classification: *AUROC *Accuracy *AveragePrecision CalibrationError BinaryCalibrationError
  MulticlassCalibrationError CohenKappa BinaryCohenKappa MulticlassCohenKappa *ConfusionMatrix ExactMatch *F1Score
  MulticlassExactMatch MultilabelExactMatch *FBetaScore *HammingDistance HingeLoss BinaryHingeLoss MulticlassHingeLoss
  *JaccardIndex *MatthewsCorrCoef MultilabelCoverageError MultilabelRankingAveragePrecision MultilabelRankingLoss
  *NegativePredictiveValue *Precision *PrecisionAtFixedRecall *PrecisionRecallCurve *ROC *Recall *StatScores
  *RecallAtFixedPrecision *SensitivityAtSpecificity *Specificity *SpecificityAtSensitivity
Metric torchmetrics.regression: CosineSimilarity ExplainedVariance MeanAbsoluteError MeanSquaredError PearsonCorrCoef
  R2Score SpearmanCorrCoef
Metric torchmetrics.aggregation: MaxMetric MeanMetric MinMetric SumMetric
Metric torchmetrics.wrappers: BootStrapper ClasswiseWrapper MinMaxMetric
LightningModule eurosat_cls: AutoEncoder Classifier
LightningDataModule eurosat_cls.data: CIFAR10 Demo EuroSAT ImageFolder Table
Callback eurosat_cls.callbacks: AttentionMaps BatchPicture BatchSizeFinder Checkpoints EncoderExport EpochBar
  EpochSummary FallingRate Freeze LearningCurves LearningRateFinder Reconstructions StopAtTarget StopOnNonFiniteLoss
  StopRecord WeightAverage
Callback lightning.pytorch.callbacks: BackboneFinetuning BatchSizeFinder DeviceStatsMonitor EMAWeightAveraging
  EarlyStopping GradientAccumulationScheduler LearningRateFinder LearningRateMonitor ModelCheckpoint ModelPruning
  ModelSummary OnExceptionCheckpoint RichModelSummary RichProgressBar StochasticWeightAveraging TQDMProgressBar
  ThroughputMonitor Timer WeightAveraging
Logger lightning.pytorch.loggers: CSVLogger TensorBoardLogger
Profiler lightning.pytorch.profilers: AdvancedProfiler PassThroughProfiler PyTorchProfiler SimpleProfiler
Strategy lightning.pytorch.strategies: DDPStrategy SingleDeviceStrategy
Accelerator lightning.pytorch.accelerators: CPUAccelerator CUDAAccelerator MPSAccelerator
Precision lightning.pytorch.plugins: DoublePrecision HalfPrecision MixedPrecision
LayerSync lightning.pytorch.plugins: TorchSyncBatchNorm
ClusterEnvironment lightning.fabric.plugins.environments: KubeflowEnvironment LSFEnvironment LightningEnvironment
  MPIEnvironment SLURMEnvironment TorchElasticEnvironment
"""
LISTED: dict[str, dict[str, set[str]]] = {}
for _head, _names in re.findall(r"^(\w.*):((?:.*\n)(?:  .*\n)*)", _LISTS, re.MULTILINE):
    _role, _module = _head.split()
    _by_task = [f"{task}{name[1:]}" for name in _names.split() if name[0] == "*" for task in ("", *_TASKS)]
    LISTED.setdefault(_role, {})[_module] = {*_by_task, *(name for name in _names.split() if name[0] != "*")}


def importable() -> list[str]:
    """Return the import paths, of modules and classes, below which a parser may import what a config names."""
    modules = {module for lists in LISTED.values() for module in lists}
    return ["eurosat_cls", *modules, *(f"torchmetrics.{n}" for n in LISTED["Metric"]["torchmetrics.classification"])]


def reason_against(path: str) -> str | None:
    """Say why an import path is refused by its name alone, if it is; nothing is imported."""
    top, _, rest = path.partition(".")
    if not rest or not all(part.isidentifier() for part in path.split(".")):
        return f"{path[:80]!r} is no import path of a class."
    if top in trust.NEVER:
        return f"{path} is refused, it is nothing that a training is built of."
    if trust.is_trusted(path) or any(f"{path}.".startswith(f"{place}.") for place in importable()):
        return None
    if top in trust.PACKAGES:
        unlisted = f"as far as is listed: {path} cannot be imported without --trust {path.rpartition('.')[0]}"
        return f"{path} is refused, it is nothing that a training is built of, {unlisted}."
    return f"{path} is of a package that is not trusted: --trust {top} if you know it (in Python trust=[{top!r}])."


def resolve(path: str, where: str, kind: Any = Any) -> Any:
    """Import what a config or a checkpoint names at ``where``, if it may stand at a setting of the type ``kind``.

    Raises:
        UserError: for a name or an object that is refused, and for what cannot be imported.
    """
    if reason := reason_against(path):
        raise UserError(f"{where}: {reason}")
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{where}: {path} cannot be imported ({error}).") from None
    check_object(found, path, where, kind)
    return found


def check_object(found: Any, path: str, where: str, kind: Any = Any) -> None:
    """Judge what a name has turned out to be, as :func:`resolve`: in a list of its role, or of a trusted package."""
    home = getattr(found, "__module__", None) or ""
    if trust.is_trusted(home) and (inspect.isclass(found) or inspect.isroutine(found)):
        return allow()
    allowed = [base.cls for base in bases(kind)] if kind is not Any else []
    if not _listed(found, "function") and not any(_may_be(found, base) for base in allowed or (None,)):
        way = f"; --trust {home} if you want it" if home.partition(".")[0] in trust.PACKAGES[1:] else ""
        what = f"{home}.{getattr(found, '__qualname__', path)}"
        raise UserError(f"{where}: {path} is refused, {what} is in no list of what may stand there{way}.")


def is_loaded_part(path: str) -> bool:
    """Whether a path names a class of what a training is built of, in a module that is imported already."""
    module, _, name = path.rpartition(".")
    mro = getattr(getattr(sys.modules.get(module), name, None), "__mro__", ())
    return any(base is Configurable or base.__name__ in LISTED for base in mro)


def _may_be(found: Any, base: type | None) -> bool:
    """Whether a class may stand where one below ``base`` is asked for, or anything."""
    if not inspect.isclass(found) or not issubclass(found, base or object):
        return False
    own = issubclass(found, Configurable) and found.__module__.startswith("eurosat_cls.")
    if base is None:
        return own or any(_listed(found, role) for role in LISTED)
    role = next((cls.__name__ for cls in base.__mro__ if cls.__name__ in LISTED), "")
    return (own and (issubclass(base, Configurable) or role != "Module")) or _listed(found, role)


def _listed(found: Any, role: str) -> bool:
    name = getattr(found, "__name__", "")
    return any(name in names and getattr(sys.modules.get(module), name, None) is found
               for module, names in LISTED.get(role, {}).items())  # fmt: skip


def check_config(config: Any, kinds: Mapping[str, Any], place: Callable[[str], str] = str) -> set[str]:
    """Judge everything that a parsed configuration would call; return the keys of what only the user's trust allows.

    Args:
        config: nested mappings and lists, or namespaces of jsonargparse.
        kinds: types of the settings, by dotted key.
        place: what an error says of a key.
    """

    def check(value: Any, kind: Any, key: str) -> None:
        value, inside = plain_mapping(value), {}
        if isinstance(value, Mapping) and isinstance(value.get("class_path"), str):
            if value.get("dict_kwargs"):
                raise UserError(f"{place(key)}: dict_kwargs is not taken; arguments of a class are its init_args.")
            found = resolve(value["class_path"], place(f"{key}.class_path"), kind)
            if trust.is_trusted(found.__module__):
                trusted.add(key)
            inside = parameters(found)
            value, key = plain_mapping(value.get("init_args") or {}), f"{key}.init_args"
        elif callable(value) and not isinstance(value, os.PathLike):  # what a file name is parsed to
            check_object(value, getattr(value, "__qualname__", repr(value)), place(key), kind)
        value = dict(enumerate(value)) if isinstance(value, (list, tuple)) else value
        for name, item in value.items() if isinstance(value, Mapping) else ():
            here = f"{key}.{name}" if key else str(name)
            check(item, inside.get(str(name), kinds.get(here, elements(kind))) or Any, here)

    trusted: set[str] = set()
    check(config, Any, "")
    return trusted


def parameters(found: Any) -> dict[str, Any]:
    """Return the types of a class's arguments, those that it hands on to its bases included."""
    hints: dict[str, Any] = {}
    for cls in reversed(getattr(found, "__mro__", (found,))):
        with suppress(NameError, TypeError):  # types that only exist for checkers, or none
            hints |= typing.get_type_hints(vars(cls).get("__init__"))
    return hints


def check_settings(
    settings: Any, where: str, besides: Callable[[str], bool] = lambda path: False, of_run: bool = False
) -> None:
    """Judge the class paths among the settings in a checkpoint, before any of them is imported.

    ``besides`` says what needs no trust; only a configuration ``of_run`` names weights to start from.

    Raises:
        UserError: for the first that is refused.
    """
    for value in walk(settings, where):
        if not isinstance(value, Mapping):
            continue
        if value.get("_instantiator") not in (None, INSTANTIATOR):
            raise UserError(f"{where}: {value['_instantiator']!r} is refused, it is nothing that builds a model.")
        for key in ("class_path", "_class_path"):
            path = value.get(key)
            known = isinstance(path, str) and path.partition(".")[0] in (*trust.PACKAGES, *trust.NEVER)
            if isinstance(path, str) and (known or not besides(path)):
                initial, given = getattr(resolve(path, where), "only_initial", ()), value.get("init_args")
                if not of_run and isinstance(given, Mapping) and any(given.get(name) for name in initial):
                    raise UserError(f"{where}: {path} is refused with weights to start from: a checkpoint has its own.")


def refused_names(settings: Any) -> list[str]:
    """Return the class paths among settings that are refused by their names; nothing is imported."""
    paths = (value.get("class_path") for value in walk(settings, "the checkpoint") if isinstance(value, Mapping))
    return list(dict.fromkeys(path for path in paths if isinstance(path, str) and reason_against(path)))
