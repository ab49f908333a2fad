"""Information: known peaks, and bounds that hold the exact value."""

from __future__ import annotations

import numpy as np
import pytest

from diffwin.levels import log_snr_at
from diffwin.theory import information, pair

POINTS, EVEN = [-8.0, -4.0, 6.0, 8.0], [1.0] * 4


@pytest.mark.parametrize(("groups", "peak"), [([0, 0, 1, 1], 1.666), ([0, 1, 2, 3], 0.180)])
def test_peaks_of_four_points(groups: list[int], peak: float) -> None:
    """Per unit of OU time, to the printed thousandth."""
    t = np.concatenate([np.linspace(0.17, 0.19, 81), np.linspace(1.65, 1.68, 121)])
    axis = log_snr_at(t)
    rate = information.per_ou_time(information.points_information_rate(POINTS, EVEN, groups, axis), axis)
    assert t[rate.argmax()] == pytest.approx(peak, abs=7.5e-4)


def test_two_points_are_a_pair() -> None:
    axis = np.linspace(-6, 4, 21)
    rate = information.points_information_rate([1.0, -2.0], [0.2, 0.8], [0, 1], axis)
    np.testing.assert_allclose(rate, pair.information_rate(3.0, axis, 0.0, 0.2), atol=1e-9)


def test_all_the_information_comes_in() -> None:
    axis, weights = np.linspace(-14, 8, 881), np.array([0.1, 0.2, 0.3, 0.4])
    step = axis[1] - axis[0]
    for groups, prior in (([0, 1, 2, 3], weights), ([0, 1, 0, 1], np.array([0.4, 0.6]))):
        gained = information.points_information_rate(POINTS, weights, groups, axis).sum() * step
        assert gained == pytest.approx(-(prior * np.log(prior)).sum(), abs=1e-4)


def test_bounds_hold_the_information_of_a_pair() -> None:
    axis, w = np.linspace(-14, 8, 1101), 0.3
    rate = pair.information_rate(2.0, axis, 0.01, w)
    gained = np.cumsum(rate) * (axis[1] - axis[0])
    low, high = information.information_bounds(pair.overall_survival(pair.separation(2.0, axis, 0.01), w), [w, 1 - w])
    assert np.all(low - 2e-3 <= gained)
    assert np.all(gained <= high + 2e-3)
    assert low.max() == pytest.approx(0.610864, abs=1e-5)  # the label's entropy: at the clean end all is known


def test_bounds_meet_where_all_is_known_and_where_only_the_larger_label_can_be() -> None:
    low, high = information.information_bounds([1.0, 0.25], [1, 1, 1, 1])
    np.testing.assert_allclose(low, [np.log(4), 0.0], atol=1e-12)
    np.testing.assert_allclose(high, [np.log(4), 0.0], atol=1e-12)
