"""A model made ready to classify windows: in batches of one size, so that no window depends on what it came with."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.evidence import LACKING
from eurosat_cls.utils.errors import UserError

Precision = Literal["32-true", "bf16-mixed"]
MOST_CLASSES = 250  # 254 and 255 are taken, and what lies between is left free


def device_named(name: str) -> torch.device:
    """Return a device; ``auto`` is a GPU where there is one.

    Raises:
        UserError: for a device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0][:100]
        raise UserError(f"--device {name}: not to be had on this machine ({reason}); take cpu or auto.") from None
    return device


class Network:
    """Classify windows of raw values.

    Args:
        model: a trained model; it is moved to the device.
        batch: windows of a forward pass; fewer are padded.
        device: where it runs.
        precision: ``32-true``, or ``bf16-mixed`` to compute in bfloat16 where that is faster.
        views: 8 averages the probabilities of all flips and rotations, 1 does not; None as the checkpoint says.
        familiar: whether each window's familiarity is found too.

    Raises:
        UserError: for more classes than a byte can name, and for a model without statistics of what is familiar.
    """

    def __init__(
        self,
        model: Classifier,
        batch: int,
        device: str = "cpu",
        precision: Precision = "32-true",
        views: Literal[1, 8] | None = None,
        familiar: bool = False,
    ) -> None:
        if len(model.class_names) > MOST_CLASSES:
            raise UserError(
                f"the model has {len(model.class_names)} classes; a map holds at most {MOST_CLASSES} of them."
            )
        self.device = device_named(device)
        self.model = model.to(self.device).eval()
        if views is not None:
            self.model.test_time_augmentation = views == 8
        if familiar and model.evidence is None:
            raise UserError(f"--min_familiarity: {LACKING}.")
        self.batch, self.precision, self.familiar = batch, precision, familiar

    @property
    def outputs(self) -> int:
        """Values of a window: its probabilities ``K``, and its familiarity behind them where that is found."""
        return len(self.model.class_names) + self.familiar

    def answers(self, logits: Tensor, familiarity: Tensor | None) -> Tensor:
        """Logits and familiarity of windows -> :attr:`outputs` of each, float32."""
        probabilities = self.model.postprocessing.probabilities(logits)
        return self.model.with_familiarity(probabilities, familiarity if self.familiar else None).float()

    @property
    def views(self) -> int:
        """Flips and rotations that are averaged."""
        return 8 if self.model.test_time_augmentation else 1

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Raw ``[n, C, s, s]``, at most a batch of them -> ``[n, outputs]`` float32."""
        count = len(windows)
        assert 0 < count <= self.batch
        if count < self.batch:
            windows = np.concatenate([windows, np.repeat(windows[:1], self.batch - count, axis=0)])
        with running(self.device, self.precision):
            raw = torch.from_numpy(np.ascontiguousarray(windows)).to(self.device)
            examined = self.model.examine(raw) if self.familiar else (self.model.predict_logits(raw), None)
            answers = self.answers(*examined)
        result: np.ndarray = answers[:count].cpu().numpy()
        return result


@contextmanager
def running(device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute without gradients in a precision; float32 is float32 on a GPU too, and the same every time."""
    half = precision == "bf16-mixed"
    cudnn = torch.backends.cudnn
    exact = (
        cudnn.flags(enabled=cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=False)
        if device.type == "cuda"
        else nullcontext()
    )
    with torch.inference_mode(), exact, torch.autocast(device.type, torch.bfloat16, enabled=half):
        yield


def decide(model: Classifier, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decide for classes as ``predict`` does.

    Args:
        model: whose thresholds count.
        probabilities: ``[n, K]`` float32; what stands behind them is left out.

    Returns:
        uint8 ``[n]`` classes, in a multilabel task ``[n, K]`` of 0 and 1; and the confidence in that, float32 ``[n]``.
    """
    probabilities = probabilities[:, : len(model.class_names)]
    if model.task == "multiclass":
        chosen = probabilities.argmax(1)
        return chosen.astype(np.uint8), probabilities.max(1)
    _, threshold = model.postprocessing.calibrated(torch.zeros(0, model.rules.outputs, device=model.device))
    limit = threshold.detach().cpu().numpy()
    if model.task == "binary":
        positive = probabilities[:, 1] > limit
        return positive.astype(np.uint8), np.where(positive, probabilities[:, 1], probabilities[:, 0])
    present = probabilities > limit
    certain: np.ndarray = np.where(present, probabilities, 1 - probabilities).min(axis=1)
    return present.astype(np.uint8), certain
