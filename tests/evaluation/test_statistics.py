from __future__ import annotations

import math

import numpy as np
import pytest

from monai_fusion.evaluation.statistics import compare, draw_pairs, holm, percentile_interval


def test_bootstrap_of_a_mean_is_the_normal_interval() -> None:
    """Of many values: mean ± 1.96 standard errors, to the Monte Carlo error of the ends, some 5 % of the half-width."""
    values = np.random.default_rng(1).exponential(3, 800)
    low, high = percentile_interval(values[draw_pairs(800)].mean(axis=1))
    half = 1.959964 * values.std() / math.sqrt(800)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_draws_are_the_same_every_time_and_with_replacement() -> None:
    draws = draw_pairs(5, 100)
    assert draws.shape == (100, 5)
    assert np.array_equal(draws, draw_pairs(5, 100))
    assert set(draws.ravel()) == {0, 1, 2, 3, 4}
    assert max(np.bincount(draw).max() for draw in draws) > 1


def test_interval_of_uniform_values_and_without_values() -> None:
    assert percentile_interval(np.append(np.linspace(0, 1, 1001), np.nan)) == pytest.approx((0.025, 0.975))
    assert all(map(math.isnan, percentile_interval(np.array([np.nan]))))


def test_holm_by_hand() -> None:
    """Sorted .005 .01 .03 .04: times 4, 3, 2, 1 is .02 .03 .06 .04, and the last may not fall below the third."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []
    corrected = holm([0.01, math.nan, 0.02])
    assert corrected[::2] == pytest.approx([0.02, 0.02])
    assert math.isnan(corrected[1])


def test_compare_by_hand() -> None:
    """Wilcoxon's exact test of n differences of one sign: p = 2 / 2^n, one in each tail of 2^n signs."""
    x = list(range(6))
    values = {
        "ours": {"SD": [v + 0.1 * v * v + 1 for v in x], "kept": [math.nan, *x[1:]]},
        "less": {"SD": x, "kept": x},
        "same": {"SD": [v + 0.1 * v * v + 1 for v in x], "kept": [math.nan] * 6},
    }
    tests = {(test.metric, test.other): test for test in compare(values)}
    assert list(tests) == [("SD", "less"), ("SD", "same"), ("kept", "less"), ("kept", "same")]
    assert {test.first for test in tests.values()} == {"ours"}
    less = tests["SD", "less"]
    assert (less.pairs, less.difference) == (6, pytest.approx(1.65))
    assert less.p == pytest.approx(2 / 64)
    assert less.p_holm == pytest.approx(4 / 64)
    assert (tests["SD", "same"].p, tests["SD", "same"].p_holm) == (1, 1)
    assert (tests["kept", "less"].pairs, tests["kept", "less"].p) == (5, 1)
    assert tests["kept", "same"].pairs == 0
    assert math.isnan(tests["kept", "same"].p)
    assert compare({"alone": {"SD": [1.0]}}) == []
