"""The one temperature that makes probabilities more honest."""

from collections.abc import Callable

from torch import Tensor

from eurosat_cls.data.batch import TaskName

LOWEST, HIGHEST = 0.1, 10.0  # temperatures; without an error among the patches the best one would be 0
_STEPS = 50


def finite(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits and targets on the CPU, logits as float64, without patches of which a logit is NaN or infinite."""
    logits, target = logits.detach().cpu().double(), target.cpu()
    kept = logits.isfinite().all(dim=1)
    return logits[kept], target[kept]


def fit_temperature(logits: Tensor, target: Tensor, task: TaskName) -> float:
    """Return the temperature at which the negative log likelihood is lowest, within [0.1, 10].

    The likelihood is convex in the inverse temperature, so Newton's method, kept between bounds, finds it in a few
    steps of float64; nothing is random.

    Args:
        logits: ``[n, outputs]``; patches with NaN or infinite ones are left out.
        target: ``[n]`` int64, or ``[n, K]`` of 0 and 1.
        task: a softmax over the outputs when multiclass, else a sigmoid of each.

    Returns:
        1 where there is nothing to learn from (no patch, all logits alike); 0.1 where no patch is wrong.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    logits, target = finite(logits, target)
    if not len(logits):
        return 1.0
    slope_at, low, high, inverse = _likelihood(logits, target, task), 1 / HIGHEST, 1 / LOWEST, 1.0
    slope, curvature = slope_at(inverse)
    if curvature <= 0 or slope == 0:
        return 1.0
    bound = high if slope < 0 else low
    if slope_at(bound)[0] * slope >= 0:  # still going down there
        return 1 / bound
    for _ in range(_STEPS):
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        newton = inverse - slope / curvature if curvature > 0 else low
        following = newton if low < newton < high else (low * high) ** 0.5
        if abs(following - inverse) <= 1e-7 * inverse:
            break
        inverse = following
        slope, curvature = slope_at(inverse)
    return 1 / inverse


def _likelihood(logits: Tensor, target: Tensor, task: TaskName) -> Callable[[float], tuple[float, float]]:
    """Return what gives the first and second derivative of the NLL by the inverse temperature."""
    if task != "multiclass":
        labels = target.reshape(logits.shape)

        def of_sigmoids(inverse: float) -> tuple[float, float]:
            chance = (logits * inverse).sigmoid()
            slope = ((chance - labels) * logits).mean()
            return float(slope), float((chance * (1 - chance) * logits.square()).mean())

        return of_sigmoids
    # Classes in rows, so that sums over them run along the patches: this is done after every validation. Below the
    # largest logit nothing overflows.
    values = (logits - logits.amax(1, keepdim=True)).T.contiguous()
    at_truth = values.gather(0, target[None]).mean()

    def of_softmax(inverse: float) -> tuple[float, float]:
        weight = (values * inverse).exp_()
        total = weight.sum(0)
        mean = weight.mul_(values).sum(0) / total
        square = weight.mul_(values).sum(0) / total
        return float(mean.mean() - at_truth), float((square - mean.square()).mean())

    return of_softmax
