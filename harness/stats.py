"""Numbers in, numbers out: rates with intervals that know about clusters.

Cases made from one golden file are not independent: they are one cluster. Nothing here knows what
a case is.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from scipy.special import stdtrit


class Rate(NamedTuple):
    """A rate and its interval, each 0 to 1."""

    rate: float
    low: float
    high: float


def wilson_interval(rate: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Bound a true rate from an observed one.

    Args:
        rate: observed share, 0 to 1.
        n: observations behind it, above 0; may be an effective, fractional number.
        level: confidence, between 0 and 1.

    Source: Wilson (1927), without continuity correction; checked against
        scipy.stats.binomtest(...).proportion_ci(method="wilson").

    >>> [round(bound, 4) for bound in wilson_interval(0.9, 50)]
    [0.7864, 0.9565]
    """
    if not (n > 0 and 0 <= rate <= 1 and 0 < level < 1):
        raise ValueError(f"wilson_interval(rate={rate}, n={n}, level={level}): out of range")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return min(max(0.0, centre - half), rate), max(min(1.0, centre + half), rate)


def effective_n(passed: Sequence[bool], clusters: Sequence[Hashable]) -> float:
    """Number of independent observations that clustered ones are worth.

    Divides n by the design effect: the cluster-robust variance of the rate over its binomial
    variance, never below 1. Where all agree no variance can be seen, and each cluster counts once.
    The result lies between the number of clusters and n.

    Args:
        passed: one outcome per observation; at least one.
        clusters: the cluster of each observation.

    Source: Korn & Graubard (1998), Survey Methodology 24(2), eq. 2.1 (effective sample size in the
        interval); the variance is the linearised (sandwich) one with the factor G / (G - 1).

    >>> effective_n([True, True, False, False], ["a", "a", "b", "b"])
    2.0
    """
    n = len(passed)
    if n == 0 or n != len(clusters):
        raise ValueError(
            f"effective_n: {n} outcomes for {len(clusters)} clusters; both at least one"
        )
    rate = sum(passed) / n
    residuals: dict[Hashable, float] = {}
    for one, cluster in zip(passed, clusters, strict=True):
        residuals[cluster] = residuals.get(cluster, 0.0) + one - rate
    count = len(residuals)
    if count == 1 or rate in (0.0, 1.0):
        return float(count)
    robust = sum(r * r for r in residuals.values()) / n**2 * count / (count - 1)
    effect = max(robust / (rate * (1 - rate) / n), 1.0)
    return min(max(n / effect, float(count)), float(n))


def clustered_rate(
    passed: Sequence[bool], clusters: Sequence[Hashable], *, level: float = 0.95
) -> Rate:
    """Observed rate with a Wilson interval at the effective sample size, for few clusters too.

    Source: Korn & Graubard (1998) as in `effective_n`, with their factor (z / t)^2 for the degrees
        of freedom; coverage is simulated in the tests.

    Args:
        passed: one outcome per observation; at least one.
        clusters: the cluster of each observation.
        level: confidence, between 0 and 1.
    """
    rate = sum(passed) / len(passed) if passed else math.nan
    n = effective_n(passed, clusters)
    count = len(set(clusters))
    if count > 1:
        # Few clusters make the variance itself uncertain: t with G - 1 degrees instead of normal.
        z = NormalDist().inv_cdf(0.5 + level / 2)
        t = float(stdtrit(count - 1, 0.5 + level / 2))
        n = max(n * (z / t) ** 2, min(count, n))
    low, high = wilson_interval(rate, n, level=level)
    return Rate(rate, low, high)
