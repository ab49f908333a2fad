"""Windows with their outcomes, conventions, trees and names of known worlds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from diffwin.predict.names import decides, leaf_names, share
from diffwin.predict.prediction import COMPONENTS, IMAGE, Prediction, predict, predicted_window
from diffwin.theory import pair
from diffwin.theory.curves import exact_curves
from diffwin.theory.panorama import look
from diffwin.window import Status
from diffwin.worlds.base import Feature
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture
from diffwin.worlds.read import LabelledWorld, own_range

SIDE = {"side": Feature.of(["left", "right"])}


def world_of(world: GaussianMixture | ImageSet, features: dict[str, Feature]) -> LabelledWorld:
    return LabelledWorld("world", world, features, own_range(world), {"kind": "test", "content": ""})


@pytest.fixture(scope="module")
def cube() -> Prediction:
    """Means +-10 and +-3 along two axes, and a feature that is the same everywhere."""
    signs = np.array(list(product((1, -1), repeat=2)))
    features = {f"axis{k}": Feature.of(np.where(signs[:, k] > 0, "plus", "minus")) for k in (1, 0)}
    features["sort"] = Feature.of(["one"] * 4)
    return predict(world_of(GaussianMixture(np.ones(4), signs * [10.0, 3.0]), features))


def test_features_come_in_the_order_in_which_they_are_decided(cube: Prediction) -> None:
    assert [feature.name for feature in cube.features] == ["axis0", "axis1", "sort"]
    for feature, size in zip(cube.features, (10.0, 3.0), strict=False):
        assert feature.whole.status is Status.FOUND
        assert feature.eigenvalue == pytest.approx(size**2)
        for window in feature.windows:
            for level, point in ((0.25, window.onset), (0.5, window.decision), (0.75, window.end)):
                assert point is not None
                assert abs(point.log_snr - pair.crossing(level, 2 * size)) < 4 * point.error


def test_what_is_the_same_everywhere_has_no_window(cube: Prediction) -> None:
    last = cube.features[-1].whole
    assert (last.status, last.floor, last.decision) == (Status.NO_EFFECT, 1.0, None)
    assert "100%" in last.reason


def test_spectrum_and_collapse(cube: Prediction) -> None:
    assert cube.eigenvalue == pytest.approx(101)
    assert cube.collapse is not None
    assert cube.collapse.ou_time == pytest.approx(0.5 * np.log1p(1 / (20_000 - 1)), rel=1e-6)
    assert cube.image is None


def test_the_tree_says_what_each_choice_decides(cube: Prediction) -> None:
    root, panorama = cube.trees[COMPONENTS], cube.panorama
    assert decides(panorama, root, None) == "axis0"
    assert {decides(panorama, part, None) for part in root.parts} == {"axis1"}
    names = [name for _, name in leaf_names(panorama, root, None)]
    assert sorted(names) == sorted(f"axis0 {a}, axis1 {b}" for a in ("plus", "minus") for b in ("plus", "minus"))


def test_critical_windows_of_each_label_within_the_whole(cube: Prediction) -> None:
    assert cube.critical.keys() == {(f"axis{k}", sign) for k in (0, 1) for sign in ("plus", "minus")}
    found = cube.critical["axis0", "plus"]
    assert found.before is not None
    assert found.after is not None
    assert found.before.log_snr < found.after.log_snr


@pytest.mark.parametrize(
    ("ends", "status", "words"),
    [
        ((-3.0, 2.0), Status.CENSORED, "never erased"),
        ((-20.0, -7.0), Status.UNDECIDED, "still open"),
        ((-20.0, 5.0), Status.FOUND, ""),
        ((-5.0, 5.0), Status.FOUND, "the onset lies beyond"),
        ((-20.0, -4.5), Status.FOUND, "the end lies beyond"),
    ],
)
def test_outcomes_between_the_levels_of_a_grid(ends: tuple[float, float], status: Status, words: str) -> None:
    """The pair at +-10 has its onset at -5.74, its decision at -4.76 and its end at -3.96."""
    curve = exact_curves(look(GaussianMixture([1, 1], [[10.0], [-10.0]]), SIDE))["side"][0]
    window = predicted_window(curve, ends)
    assert window.status is status
    assert words in window.reason
    assert bool(window.reason) == bool(words)
    assert (window.decision is not None) == (status is Status.FOUND)


def test_a_label_that_nearly_all_have_is_fixed() -> None:
    made = predict(world_of(GaussianMixture([99, 1], [[10.0], [-10.0]]), SIDE))
    assert [window.status for window in made.features[0].windows] == [Status.NO_EFFECT, Status.NO_EFFECT, Status.FOUND]


def test_the_conventions_of_a_pair_in_their_order() -> None:
    made = predict(world_of(GaussianMixture([1, 1], [[10.0], [-10.0]]), SIDE))
    assert made.pair is not None
    found = {each.name: each.ou_time for each in made.pair.conventions}
    assert found["D = 2, speciation"] == pytest.approx(np.log(10))
    assert found["the reverse drift turns unstable"] == pytest.approx(0.5 * np.log(200))
    assert found["T_before, total variation 0.1"] == pytest.approx(3.6756, abs=6e-5)
    assert found["T_after, the printed bound"] == pytest.approx(0.9385, abs=6e-5)
    times = [each.ou_time for each in made.pair.conventions]
    assert times == sorted(times)


def test_uneven_or_wider_components_keep_the_conventions_that_hold() -> None:
    made = predict(world_of(GaussianMixture([3, 1], [[10.0], [-10.0]], std=0.5), SIDE))
    assert made.pair is not None
    assert [each.name for each in made.pair.conventions] == ["D = 2, speciation", "half of what can survive does"]
    near = predict(world_of(GaussianMixture([1, 1], [[0.3], [-0.3]]), SIDE))
    assert near.features[0].whole.status is Status.UNDECIDED


def test_images_have_a_window_of_their_own_and_a_tree_for_each_feature_of_several_labels() -> None:
    rng = np.random.default_rng(0)
    kinds = np.arange(12) % 3
    points = np.array([[9.0, 0.0], [-9.0, 4.0], [-9.0, -4.0]])[kinds] + 0.3 * rng.standard_normal((12, 2))
    features = {"kind": Feature.of(np.array(["sun", "moon", "star"])[kinds]), "odd": Feature.of(np.arange(12) % 2)}
    made = predict(world_of(ImageSet(points), features))
    assert made.trees.keys() == {"kind"}
    assert made.collapse is None
    assert made.critical == {}
    assert made.image is not None
    curve, window = made.image
    assert curve.feature == window.feature == IMAGE
    assert window.decision is not None
    kind = next(feature for feature in made.features if feature.name == "kind")
    assert kind.whole.decision is not None
    assert kind.whole.decision.log_snr < window.decision.log_snr
    assert [name for _, name in leaf_names(made.panorama, made.trees["kind"], "kind")] == ["sun", "moon", "star"]


def test_a_rare_part_is_named_and_never_said_to_be_nothing() -> None:
    world = GaussianMixture([1e-6, 1, 1], [[300.0, 0.0], [-300.0, 0.0], [0.0, 30.0]])
    made = predict(world_of(world, {"s": Feature.of(["rare", "usual", "other"])}))
    names = [(name, share(node.weight)) for node, name in leaf_names(made.panorama, made.trees[COMPONENTS], None)]
    assert sorted(name.split(", ")[-1] for name, _ in names) == ["other", "rare", "usual"]
    assert {told.replace("\N{NO-BREAK SPACE}", " ") for name, told in names} == {"below 1 %", "50 %"}


def test_a_world_of_one_component_has_nothing_to_decide() -> None:
    made = predict(world_of(GaussianMixture([1], [[2.0]]), {"a": Feature.of(["x"])}))
    assert made.features[0].whole.status is Status.NO_EFFECT
    assert made.trees[COMPONENTS].parts == ()
    assert made.critical == {}
    assert made.pair is None


def test_components_that_lie_together_are_hidden_in_the_whole_even_when_clean() -> None:
    made = predict(world_of(GaussianMixture([1, 1, 1], [[0.1], [0.2], [0.25]]), {"s": Feature.of(["a", "b", "c"])}))
    assert made.features[0].whole.status is Status.UNDECIDED
    found = made.critical["s", "a"]
    assert found.after is None
    assert found.before is not None
    assert found.before.ou_time == 0.0
