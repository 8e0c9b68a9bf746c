"""Intervals agree with scipy, know about clusters, and cover what they claim to cover."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable
from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from harness.stats import (
    cluster_bootstrap,
    clustered_rate,
    effective_n,
    kappa,
    wilson_interval,
)

Sample = list[tuple[str, bool]]

samples = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), min_size=1, max_size=60)


def split(sample: Sample) -> tuple[list[bool], list[Hashable]]:
    return [passed for _, passed in sample], [cluster for cluster, _ in sample]


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@given(n=st.integers(1, 2000), data=st.data())
def test_wilson_interval_is_scipys(level: float, n: int, data: st.DataObject) -> None:
    passed = data.draw(st.integers(0, n))
    theirs = binomtest(passed, n).proportion_ci(confidence_level=level, method="wilson")
    low, high = wilson_interval(passed / n, n, level=level)
    assert isclose(low, theirs.low, abs_tol=1e-9)
    assert isclose(high, theirs.high, abs_tol=1e-9)


@given(n=st.integers(1, 2000), data=st.data())
def test_wilson_interval_holds_the_rate(n: int, data: st.DataObject) -> None:
    rate = data.draw(st.integers(0, n)) / n
    low, high = wilson_interval(rate, n)
    assert 0 <= low <= rate <= high <= 1


@pytest.mark.parametrize(("rate", "n"), [(0.0, 10), (1.0, 13)], ids=["none-passed", "all-passed"])
def test_wilson_interval_holds_a_rate_at_the_edge(rate: float, n: int) -> None:
    low, high = wilson_interval(rate, n)
    assert low <= rate <= high


@given(rate=st.floats(0, 1), n=st.floats(0.5, 1e4), more=st.floats(1.001, 100))
def test_wilson_interval_at_the_same_rate_is_narrower_for_more_observations(
    rate: float, n: float, more: float
) -> None:
    low, high = wilson_interval(rate, n)
    lower, higher = wilson_interval(rate, n * more)
    assert higher - lower < high - low


@given(rate=st.floats(0, 1), n=st.floats(0.5, 1e4))
def test_wilson_interval_is_wider_at_a_higher_level(rate: float, n: float) -> None:
    low, high = wilson_interval(rate, n, level=0.9)
    lower, higher = wilson_interval(rate, n, level=0.99)
    assert higher - lower > high - low


@pytest.mark.parametrize(
    ("rate", "n", "level"),
    [
        pytest.param(0.5, 0, 0.95, id="no-observation"),
        pytest.param(-0.1, 5, 0.95, id="negative-rate"),
        pytest.param(1.1, 5, 0.95, id="rate-above-1"),
        pytest.param(float("nan"), 5, 0.95, id="no-rate"),
        pytest.param(0.5, 5, 0.0, id="level-0"),
        pytest.param(0.5, 5, 1.0, id="level-1"),
    ],
)
def test_wilson_interval_refuses_what_it_cannot_bound(rate: float, n: float, level: float) -> None:
    with pytest.raises(ValueError, match="out of range"):
        wilson_interval(rate, n, level=level)


@given(sample=samples)
def test_effective_n_lies_between_clusters_and_observations(sample: Sample) -> None:
    passed, clusters = split(sample)
    assert len(set(clusters)) <= effective_n(passed, clusters) <= len(passed)


@given(passed=st.lists(st.booleans(), min_size=1, max_size=60))
def test_effective_n_of_single_observations_is_their_number(passed: list[bool]) -> None:
    assert effective_n(passed, range(len(passed))) == len(passed)


@given(passed=st.lists(st.booleans(), min_size=1, max_size=20), times=st.integers(2, 6))
def test_repeating_single_observations_inside_their_clusters_gains_nothing(
    passed: list[bool], times: int
) -> None:
    worth = effective_n(passed * times, [*range(len(passed))] * times)
    assert isclose(worth, len(passed))


@given(sample=samples, times=st.integers(2, 5))
def test_repeating_correlated_observations_inside_their_clusters_gains_nothing(
    sample: Sample, times: int
) -> None:
    passed, clusters = split(sample)
    worth = effective_n(passed, clusters)
    if worth < len(passed):  # clusters cost something
        assert isclose(effective_n(passed * times, clusters * times), worth)


@given(sample=samples, times=st.integers(2, 5))
def test_repeating_observations_in_new_clusters_is_worth_as_many_times_or_more(
    sample: Sample, times: int
) -> None:
    passed, clusters = split(sample)
    fresh = [(cluster, copy) for copy in range(times) for cluster in clusters]
    worth = effective_n(passed, clusters)
    assert effective_n(passed * times, fresh) >= worth * times * (1 - 1e-9)


def test_effective_n_where_all_agree_is_the_number_of_clusters() -> None:
    assert effective_n([True] * 12, ["a", "b", "c"] * 4) == 3


def test_effective_n_of_one_cluster_is_one() -> None:
    assert effective_n([True, False, True], ["a", "a", "a"]) == 1


def test_effective_n_of_a_worked_example() -> None:
    # 3 of 8 passed; a cluster's residuals sum to its passes less 2 * 0.375.
    passed = [True, True, False, False, True, False, False, False]
    clusters = ["a", "a", "b", "b", "c", "c", "d", "d"]
    robust = (1.25**2 + 0.75**2 + 0.25**2 + 0.75**2) / 64 * 4 / 3
    assert isclose(effective_n(passed, clusters), 0.375 * 0.625 / robust)


@given(sample=samples, data=st.data())
def test_order_of_the_observations_does_not_matter(sample: Sample, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(sample))
    one, other = clustered_rate(*split(sample)), clustered_rate(*split(shuffled))
    assert all(isclose(a, b, abs_tol=1e-12) for a, b in zip(one, other, strict=True))


@given(sample=samples)
def test_names_of_the_clusters_do_not_matter(sample: Sample) -> None:
    passed, clusters = split(sample)
    renamed = [("other", cluster) for cluster in clusters]
    assert clustered_rate(passed, clusters) == clustered_rate(passed, renamed)


@given(sample=samples)
def test_clustered_interval_holds_its_rate(sample: Sample) -> None:
    passed, clusters = split(sample)
    rate = clustered_rate(passed, clusters)
    assert rate.rate == sum(passed) / len(passed)
    assert rate.low <= rate.rate <= rate.high


@given(sample=samples)
def test_clustered_interval_is_never_narrower_than_that_of_independent_observations(
    sample: Sample,
) -> None:
    passed, clusters = split(sample)
    rate = clustered_rate(passed, clusters)
    low, high = wilson_interval(rate.rate, len(passed))
    assert rate.high - rate.low >= high - low - 1e-12


@pytest.mark.parametrize(
    ("passed", "clusters"),
    [pytest.param([], [], id="nothing"), pytest.param([True], ["a", "b"], id="unequal")],
)
def test_rate_of_nothing_or_of_unequal_lists_is_an_error(
    passed: list[bool], clusters: list[str]
) -> None:
    with pytest.raises(ValueError, match="effective_n"):
        clustered_rate(passed, clusters)


COVERAGE = [
    pytest.param(5, 0.7, 0.5, id="5-conversations"),
    pytest.param(8, 0.9, 0.5, id="8-conversations"),
    pytest.param(14, 0.9, 0.5, id="14-conversations"),
    pytest.param(14, 0.95, 0.5, id="14-conversations-few-failures"),
    pytest.param(25, 0.5, 0.1, id="weak-correlation"),
    pytest.param(25, 0.7, 0.5, id="strong-correlation"),
    pytest.param(25, 0.9, 0.9, id="near-copies"),
    pytest.param(40, 0.9, 0.5, id="many-conversations"),
]
"""Clusters, true rate, correlation inside a cluster; a behaviour has 3 to 14 conversations."""


@pytest.mark.parametrize(("clusters", "true_rate", "correlation"), COVERAGE)
def test_clustered_interval_covers_the_true_rate_nine_times_in_ten_or_more(
    clusters: int, true_rate: float, correlation: float
) -> None:
    draw = random.Random(20260101)
    strength = 1 / correlation - 1  # beta-binomial: each cluster has a rate of its own
    covered = 0
    for _ in range(1000):
        own = [
            draw.betavariate(true_rate * strength, (1 - true_rate) * strength)
            for _ in range(clusters)
        ]
        passed = [draw.random() < rate for rate in own for _ in range(8)]
        found = clustered_rate(passed, [cluster for cluster in range(clusters) for _ in range(8)])
        covered += found.low - 1e-12 <= true_rate <= found.high + 1e-12
    assert covered / 1000 >= 0.90


def test_interval_that_ignored_clusters_would_not_cover() -> None:
    draw = random.Random(20260101)
    covered = 0
    for _ in range(300):
        own = [draw.betavariate(0.7, 0.3) for _ in range(25)]
        passed = [draw.random() < rate for rate in own for _ in range(6)]
        low, high = wilson_interval(sum(passed) / len(passed), len(passed))
        covered += low <= 0.7 <= high
    assert covered / 300 < 0.80


def test_kappa_is_agreement_beyond_chance() -> None:
    table = np.array([[0.25, 0.13, 0.12], [0.12, 0.02, 0.16], [0.03, 0.15, 0.02]])
    chance = (table.sum(0) * table.sum(1)).sum()
    assert float(kappa(table)) == pytest.approx((np.trace(table) - chance) / (1 - chance))


def test_quadratic_kappa_forgives_near_misses() -> None:
    near = np.array([[8.0, 2, 0], [2, 8, 2], [0, 2, 8]])
    far = np.array([[8.0, 0, 2], [2, 8, 2], [2, 0, 8]])
    assert float(kappa(near, quadratic=True)) > float(kappa(far, quadratic=True))
    assert float(kappa(near, quadratic=True)) > float(kappa(near))


def test_kappa_is_one_in_full_agreement_and_nan_without_variety() -> None:
    assert float(kappa(np.diag([3.0, 4.0]))) == 1.0
    assert math.isnan(float(kappa(np.array([[5.0, 0.0], [0.0, 0.0]]))))


def test_bootstrap_covers_a_mean_and_repeats_by_seed() -> None:
    values = np.arange(40, dtype=float)
    clusters = [i // 2 for i in range(40)]
    one, other = (
        cluster_bootstrap(lambda at: float(values[at].mean()), clusters, draws=300, seed=3)
        for _ in range(2)
    )
    assert one == other
    assert one[0] < 19.5 < one[1]


def test_bootstrap_of_whole_clusters_is_wider_than_of_single_ones() -> None:
    values = np.repeat([0.0, 1.0], 20)
    mean = lambda at: float(values[at].mean())  # noqa: E731
    alone = cluster_bootstrap(mean, list(range(40)), draws=300)
    together = cluster_bootstrap(mean, [i // 5 for i in range(40)], draws=300)
    assert together[1] - together[0] > alone[1] - alone[0]


def test_bootstrap_without_any_value_is_nan() -> None:
    assert all(math.isnan(end) for end in cluster_bootstrap(lambda _: math.nan, [1], draws=5))
    with pytest.raises(ValueError, match="no observations"):
        cluster_bootstrap(lambda _: 0.0, [])
