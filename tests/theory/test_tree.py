"""Trees whose shape and levels are known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from diffwin.theory import pair
from diffwin.theory.panorama import ATOMS, look
from diffwin.theory.tree import Node, mixture_tree
from diffwin.worlds.base import Feature
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture


def tree_of(world: GaussianMixture, leaves: int = 32, draws: int = 4000) -> Node:
    features = {"own": Feature.of(np.arange(len(world.weights)))}
    return mixture_tree(look(world, features, draws=draws), leaves=leaves)


def depths(node: Node) -> list[list[Node]]:
    """Nodes with a choice, by depth."""
    found, row = [], [node]
    while row := [each for each in row if each.parts]:
        found.append(row)
        row = [part for each in row for part in each.parts]
    return found


def test_the_hypercube_decides_axis_after_axis() -> None:
    sizes = np.array([30.0, 10.0, 3.0])
    corners = np.array(list(product((1, -1), repeat=3))) * sizes
    root = tree_of(GaussianMixture(np.ones(8), corners), draws=8000)
    rows = depths(root)
    assert [len(row) for row in rows] == [1, 2, 4]
    for size, row in zip(sizes, rows, strict=True):
        for node in row:
            assert len({tuple(np.sign(corners[list(part.columns)][:, sizes >= size][0])) for part in node.parts}) == 2
            assert node.choice is not None
            window = node.choice.window
            for level, found in ((0.25, window.onset), (0.5, window.decision), (0.75, window.end)):
                assert abs(found.log_snr - pair.crossing(level, 2 * size)) < 4 * found.error
            assert node.choice.information == pytest.approx(node.weight * np.log(2))


@pytest.mark.parametrize("count", [3, 7])
def test_atoms_as_far_from_each_other_are_one_choice(count: int) -> None:
    root = tree_of(GaussianMixture(np.ones(count), 20 * np.eye(count)))
    assert len(root.parts) == count
    assert not any(part.parts for part in root.parts)


def test_a_nested_pair_of_another_weight() -> None:
    """Two components 2 apart and heavy against one 40 away: the far one is told first, each choice a pair's own."""
    root = tree_of(GaussianMixture([4, 2, 1], [[0.0], [2.0], [40.0]], std=0.1))
    assert root.choice is not None
    near, far = sorted(root.parts, key=lambda part: -part.weight)
    assert far.columns == (2,)
    assert near.choice is not None
    assert near.choice.window.decision.log_snr > root.choice.window.end.log_snr
    found, expected = near.choice.window.decision, pair.crossing(0.5, 2.0, 0.1, w=2 / 3)
    assert abs(found.log_snr - expected) < 4 * found.error
    widths = [pair.crossing(0.5, apart, 0.1, w=6 / 7) for apart in (40.0, 38.0)]
    assert widths[0] - 0.05 < root.choice.window.decision.log_snr < widths[1] + 0.05


def test_what_is_not_apart_when_clean_is_one_leaf() -> None:
    root = tree_of(GaussianMixture([1, 1, 1], [[-9.0], [9.0], [9.3]]))
    assert sorted(part.columns for part in root.parts) == [(0,), (1, 2)]


def test_pruning_keeps_what_decides_most() -> None:
    """Of two pairs, a light one and a heavy one, the light pair's choice goes first."""
    world = GaussianMixture([10, 10, 1, 1], [[-42.0], [-38.0], [38.0], [42.0]], std=0.1)
    assert tree_of(world).leaves == 4
    small = tree_of(world, leaves=3)
    assert sorted(part.leaves for part in small.parts) == [1, 2]
    assert max(small.parts, key=lambda part: part.weight).leaves == 2
    assert tree_of(world, leaves=1).parts == ()


def test_weights_add_up_and_children_come_later() -> None:
    rng = np.random.default_rng(2)
    root = tree_of(GaussianMixture(rng.uniform(1, 3, 12), rng.normal(size=(12, 3)) * 20))
    assert root.weight == pytest.approx(1)
    for node in root.walk():
        if node.parts:
            assert sum(part.weight for part in node.parts) == pytest.approx(node.weight)
            assert sorted(column for part in node.parts for column in part.columns) == sorted(node.columns)
            assert all(part.merged > node.merged for part in node.parts)


def test_labels_of_many_images() -> None:
    """Three kinds of images, two of them near each other, too many to be seen one by one."""
    rng = np.random.default_rng(1)
    kinds = np.repeat([0, 1, 2], ATOMS)
    points = np.array([[-9.0, 0.0], [9.0, -1.0], [9.0, 1.0]])[kinds] + 0.2 * rng.standard_normal((len(kinds), 2))
    features = {
        "kind": Feature.of(np.array(["far", "low", "high"])[kinds]),
        "odd": Feature.of(np.arange(len(kinds)) % 2),
    }
    panorama = look(ImageSet(points), features, draws=1500)
    root = mixture_tree(panorama, "kind")
    assert sorted(part.columns for part in root.parts) == [(0,), (1, 2)]
    assert root.choice is not None
    assert abs(root.choice.window.decision.log_snr - pair.crossing(0.5, 18.0, 0.2, w=1 / 3)) < 0.15
    with pytest.raises(ValueError, match="name a feature"):
        mixture_tree(panorama)
