"""How well a share is known."""

from math import sqrt

Z = 1.959963984540054  # standard errors to either side of a 95 % interval


def wilson(hits: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share; 0 and 1 where there is nothing.

    ``(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)``.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927.

    Example:
        >>> [round(bound, 4) for bound in wilson(95, 100)]
        [0.8882, 0.9785]
    """
    if not count:
        return 0.0, 1.0
    share = hits / count
    middle = share + Z**2 / (2 * count)
    reach = Z * sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    low, high = ((middle + side * reach) / (1 + Z**2 / count) for side in (-1, 1))
    return max(0.0, low), min(1.0, high)
