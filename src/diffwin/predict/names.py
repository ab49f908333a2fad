"""What to call the sub-populations of a tree, and which feature each choice decides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import entr

from diffwin.levels import FloatArray
from diffwin.report.words import percent
from diffwin.theory.panorama import Panorama
from diffwin.theory.tree import Node
from diffwin.worlds.base import Feature

PURE = 0.95
"""A sub-population has a label if this much of its weight does."""

_MOST_LABELS = 3


def node_name(panorama: Panorama, node: Node, parent: Node | None, by: str | None) -> str:
    """What tells a node from the other parts of its parent, in the labels of the world; '' if they cannot, shortly."""
    if by is not None:
        labels = [panorama.features[by].labels[column] for column in node.columns]
        return " or ".join(labels) if len(labels) <= _MOST_LABELS else ""
    others = [part for part in parent.parts if part is not node] if parent else []
    words = [_difference(name, feature, panorama, node, others) for name, feature in panorama.features.items()]
    told = ", ".join(word for word in words if word)
    return told or (f"component {node.columns[0]}" if not node.parts else "")


def _difference(name: str, feature: Feature, panorama: Panorama, node: Node, others: Sequence[Node]) -> str:
    mine = _held(feature, panorama, node)
    same = all(_held(feature, panorama, other) == mine for other in others)
    if same or len(mine) > _MOST_LABELS:
        return ""
    return " or ".join(mine) if len(panorama.features) == 1 else f"{name} {' or '.join(mine)}"


def _held(feature: Feature, panorama: Panorama, node: Node) -> list[str]:
    """The fewest labels that make up nearly all of a node, in the feature's order."""
    shares = _shares(feature, panorama, node)
    order = np.argsort(-shares)
    needed = int(np.searchsorted(np.cumsum(shares[order]), PURE)) + 1
    return [feature.labels[k] for k in sorted(order[:needed])]


def _shares(feature: Feature, panorama: Panorama, node: Node) -> FloatArray:
    """P(label | node), (labels,)."""
    chosen = np.zeros(panorama.members.shape[1])
    chosen[list(node.columns)] = 1
    joint = panorama.world.weights * (panorama.members @ chosen)
    return np.asarray((joint / joint.sum()) @ feature.table)


def share(weight: float) -> str:
    """A part of the whole in words: never 0 % of what is there."""
    return percent(weight) if weight >= 0.005 else f"below {percent(0.01)}"


def decides(panorama: Panorama, node: Node, by: str | None) -> str:
    """The feature of whose entropy within the node its choice takes away the largest share; '' if it takes none."""
    if by is not None:
        return by
    gains = {name: _gain(feature, panorama, node) for name, feature in panorama.features.items()}
    best = max(gains, key=lambda name: gains[name], default="")
    return best if best and gains[best] > 1e-6 else ""


def _gain(feature: Feature, panorama: Panorama, node: Node) -> float:
    before = _entropy(_shares(feature, panorama, node))
    if before <= 0:
        return 0.0
    after = sum(part.weight * _entropy(_shares(feature, panorama, part)) for part in node.parts) / node.weight
    return 1 - after / before


def _entropy(shares: FloatArray) -> float:
    return float(entr(shares).sum())


def leaf_names(panorama: Panorama, root: Node, by: str | None) -> Sequence[tuple[Node, str]]:
    """Every leaf with all that is known of it, in the tree's order."""
    named: list[tuple[Node, str]] = []

    def walk(node: Node, parent: Node | None, said: tuple[str, ...]) -> None:
        word = node_name(panorama, node, parent, by)
        if node.parts:
            for part in node.parts:
                walk(part, node, (*said, word) if word else said)
        else:
            named.append((node, word if by else ", ".join((*said, word)) or "everything"))

    walk(root, None, ())
    return named
