"""Numbers in, numbers out: rates with intervals that know about clusters.

Cases made from one golden file are not independent: they are one cluster. Nothing here knows what
a case is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
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


def kappa(table: npt.NDArray[np.float64], *, quadratic: bool = False) -> npt.NDArray[np.float64]:
    """Cohen's kappa of confusion tables; agreement beyond chance, 1 at most.

    Args:
        table: counts (..., k, k), one rater's categories by the other's; the last two axes count.
        quadratic: weigh disagreement by the squared distance of the categories (ordinal labels).

    Returns:
        One kappa per table; NaN where one category holds everything and chance explains all.

    Source: Cohen (1960), Educational and Psychological Measurement 20(1); weighted: Cohen (1968),
        Psychological Bulletin 70(4), eq. 3 in terms of disagreement.

    >>> float(np.round(kappa(np.array([[20.0, 5.0], [10.0, 15.0]])), 3))
    0.4
    """
    size = table.shape[-1]
    places = np.arange(size)
    apart = places[:, None] - places[None, :]
    weight = apart.astype(np.float64) ** 2 if quadratic else (apart != 0).astype(np.float64)
    total = table.sum(axis=(-2, -1))
    rows, columns = table.sum(axis=-1), table.sum(axis=-2)
    expected = (rows[..., :, None] * columns[..., None, :] * weight).sum(axis=(-2, -1))
    observed = (table * weight).sum(axis=(-2, -1)) * total
    with np.errstate(invalid="ignore", divide="ignore"):
        result: npt.NDArray[np.float64] = 1 - observed / np.where(expected > 0, expected, np.nan)
    return result


def cluster_bootstrap(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    clusters: Sequence[Hashable],
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a statistic when whole clusters are resampled with replacement.

    Args:
        statistic: takes places (m,) of observations, some repeated; may give NaN, which is skipped.
        clusters: the cluster of each observation; at least one.
        draws: resamples.
        seed: of the resampling.
        level: confidence, between 0 and 1.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, ch. 13; clusters as units:
        Davison & Hinkley (1997), Bootstrap Methods, 3.8.

    >>> cluster_bootstrap(lambda places: float(len(places)), ["a", "b"])
    (2.0, 2.0)
    """
    if not clusters:
        raise ValueError("cluster_bootstrap: no observations")
    members: dict[Hashable, list[int]] = {}
    for place, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(place)
    groups = [np.array(places, dtype=np.int64) for places in members.values()]
    generator = np.random.default_rng(seed)
    found = [
        statistic(
            np.concatenate([groups[k] for k in generator.integers(len(groups), size=len(groups))])
        )
        for _ in range(draws)
    ]
    kept = np.array([value for value in found if not math.isnan(value)])
    if not len(kept):
        return math.nan, math.nan
    low, high = np.quantile(kept, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
