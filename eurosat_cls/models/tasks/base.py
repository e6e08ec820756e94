"""The contract of a task."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from eurosat_cls.config.factories import accepts, build, target_of
from eurosat_cls.models.tasks.class_weights import ClassWeights
from eurosat_cls.utils.errors import UserError

MetricFactory = Callable[[int], Metric]
# Losses of numbers that are to be met, or of probabilities: given logits some of them fail, others learn nonsense.
OF_NUMBERS = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.PoissonNLLLoss, nn.GaussianNLLLoss, nn.KLDivLoss)
THRESHOLDS = 199  # thresholds of a tuning and of ranking metrics: 0.005 apart, so that their memory does not grow


class LossFactory(Protocol):
    """Builds a loss; ``weight`` and ``pos_weight`` are handed over only when there are class weights."""

    def __call__(self, *, weight: Tensor | None) -> nn.Module:
        """Return the loss module."""
        ...


class Task(ABC):
    """The rules of a task.

    Args:
        class_names: the ``K`` classes in label order.
    """

    default_loss: LossFactory
    wrong_losses: tuple[type[nn.Module], ...] = ()

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)

    @property
    def outputs(self) -> int:
        """Logits per patch."""
        return len(self.class_names)

    @property
    def thresholds(self) -> int:
        """Number of decisions with a threshold."""
        return 0

    @abstractmethod
    def default_metrics(self) -> MetricCollection:
        """Build the metrics that are computed when none are configured."""

    def metrics(self, builders: dict[str, MetricFactory] | None) -> MetricCollection:
        """Build configured metrics, or the default ones."""
        if not builders:
            return self.default_metrics()
        # Metrics that share states do so by reference, which some of them break: only our own are known to keep it.
        return MetricCollection({n: self.metric(n, b) for n, b in builders.items()}, compute_groups=False)

    def metric(self, name: str, builder: MetricFactory) -> Metric:
        """Build one configured metric from the number of classes."""
        metric: Metric = build(f"metrics.{name}", builder, len(self.class_names))
        return metric

    @abstractmethod
    def confusion(self) -> Metric:
        """Build the counts of right and wrong: ``[K, K]`` (row true, column predicted), ``[K, 2, 2]`` in multilabel."""

    def best_thresholds(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the threshold of each decision at which its F1 is highest, float32 ``[thresholds]``.

        Args:
            logits: ``[n, outputs]``.
            target: as in the batches.
        """
        return logits.new_empty(self.thresholds)

    def loss(
        self,
        factory: LossFactory | None,
        class_weights: ClassWeights,
        counts: Sequence[int] | None,
        patches: int | None,
    ) -> nn.Module:
        """Build a configured loss, or the default one, with its class weights.

        Raises:
            UserError: for a loss that is made for another task, or that does not take the weights.
        """
        factory = factory or self.default_loss
        target = target_of(factory)
        name = getattr(target, "__name__", str(factory))
        if isinstance(target, type) and issubclass(target, self.wrong_losses):
            kind = type(self).__name__.lower()
            fitting = self.default_loss.__name__  # type: ignore[attr-defined]
            raise UserError(f"model.loss: {name} does not fit the task {kind}; {fitting} does.")
        weights = self.loss_weights(class_weights, counts, patches)
        for argument in weights:
            if not accepts(factory, argument):
                raise UserError(
                    f"class_weights: {name} takes no class weights; use a loss with `{argument}`, or drop them."
                )
        built: nn.Module = build("loss", factory, **weights)
        return built

    @abstractmethod
    def loss_weights(
        self, weights: ClassWeights, counts: Sequence[int] | None, patches: int | None
    ) -> dict[str, Tensor]:
        """Turn class weights into arguments of a loss."""

    def for_loss(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Give logits and targets the shapes that losses of the task take."""
        return logits, target

    @abstractmethod
    def scored(self, logits: Tensor, target: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
        """Give detached logits and targets the form that metrics of the task take, mixed targets made hard."""

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits ``[B, outputs]`` -> ``[B, K]``."""

    def tempered(self, logits: Tensor, threshold: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and thresholds at a temperature: other probabilities, but the same decisions.

        Args:
            logits: ``[B, outputs]``.
            threshold: ``[thresholds]``, probabilities.
            temperature: what the logits are divided by.
        """
        return logits / temperature, threshold

    @abstractmethod
    def merge(self, views: Sequence[Tensor]) -> Tensor:
        """Logits of several views of the same patches -> logits of their mean probability."""

    def names_of(self, target: Tensor) -> list[str]:
        """Return what patches are called: of classes ``[n]``, or in a multilabel task of labels ``[n, K]``."""
        return [self.class_names[k] for k in target.tolist()]

    @abstractmethod
    def decide(self, probabilities: Tensor, threshold: Tensor) -> tuple[list[str], Tensor]:
        """``[B, K]`` -> what each patch is called, and the confidence ``[B]`` in that."""
