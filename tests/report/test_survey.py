"""What is drawn of survival: the points, the curve through them, and what theory says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from diffwin.order import Pair
from diffwin.report.axis import Axis
from diffwin.report.findings import Findings
from diffwin.report.order import matrix
from diffwin.report.style import Look
from diffwin.report.survey import Survey
from diffwin.report.timeline import NARROW, WIDE

Maker = Callable[..., Findings]


@pytest.fixture
def survey(make_findings: Maker) -> Survey:
    findings = make_findings(prompts=("a person",), bases=6, theory=True)
    predicted = {(curve.feature, curve.group): curve for each in findings.predicted.values() for curve in each}
    axis = Axis(findings.steps, findings.level_log_snr)
    return Survey(findings.curves, findings.fitted, predicted, findings.windows, axis)


def test_the_decision_lies_on_the_line(survey: Survey) -> None:
    for window in survey.windows:
        line = survey.drawn(window.feature, window.group)
        assert line.fitted
        assert window.decision is not None
        on_the_line = np.interp(window.decision.fraction, line.line_x, line.line_y)
        assert survey.height(window) == pytest.approx(on_the_line, abs=1e-3)


def test_points_are_corrected_where_their_window_is(survey: Survey) -> None:
    rows = survey.curves[survey.curves["group"] == "all"].sort_values("level", ascending=False)
    for feature, names in (("gender", ("corrected", "corrected_low")), ("skin-tone", ("survival", "low"))):
        drawn, mine = survey.drawn(feature, "all"), rows[rows["feature"] == feature]
        assert drawn.y == pytest.approx(np.clip(mine[names[0]], 0, 1))
        assert drawn.low == pytest.approx(np.clip(mine[names[1]], 0, 1))


def test_a_line_joins_the_points_where_no_window_was_found(survey: Survey) -> None:
    drawn = replace(survey, fitted=survey.fitted[:0]).drawn("gender", "all")
    assert not drawn.fitted
    assert drawn.line_y == pytest.approx(drawn.y)
    assert drawn.line_x == pytest.approx(drawn.x)


def test_theory_is_drawn_between_the_levels_measured(survey: Survey) -> None:
    drawn = survey.drawn("gender", "woman")
    assert drawn.theory is not None
    x, y = drawn.theory
    assert (x[0], x[-1]) == pytest.approx((drawn.x[0], drawn.x[-1]))
    assert np.all(np.diff(y) > 0)
    assert replace(survey, predicted={}).drawn("gender", "woman").theory is None


def test_points_grow_with_the_regenerations_behind_them(survey: Survey) -> None:
    assert not survey.uneven
    assert np.ptp(survey.drawn("gender", "all").area) == 0
    noisiest = survey.curves["level"] == survey.curves["level"].max()
    uneven = replace(survey, curves=survey.curves.assign(trials=np.where(noisiest, 12, 300)))
    assert uneven.uneven
    area = uneven.drawn("gender", "all").area
    assert area[0] < area[1] / 4
    assert np.ptp(area[1:]) == 0


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("count", [2, 5, 8])
def test_every_chance_fits_its_cell(width: int, count: int) -> None:
    looks = [Look(f"f{at}", f"perceived feature {at}", at) for at in range(count)]
    pairs = [
        Pair("", a.feature, b.feature, 0.9999 if a.slot < b.slot else 0.0001, 1.0, 0.5, 1.5, True)
        for a in looks
        for b in looks
        if a is not b
    ]
    figure = matrix(pairs, looks, width)
    renderer = FigureCanvasAgg(figure).get_renderer()
    cells = [patch.get_window_extent(renderer) for patch in figure.axes[0].patches]
    texts = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    inside = [any(c.x0 <= t.x0 and t.x1 <= c.x1 and c.y0 <= t.y0 and t.y1 <= c.y1 for c in cells) for t in texts]
    assert sum(inside) == count * (count - 1)
    names = [box for box, is_in in zip(texts, inside, strict=True) if not is_in]
    assert all(box.x0 >= 0 and box.x1 <= width for box in names)
