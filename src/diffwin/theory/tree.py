"""The mixture tree: which sub-populations a sampler passes through on its way from noise to an image.

Li & Chen (2024) read a diffusion model as a hierarchical sampler: it commits to a sub-population, then to a part of it,
and so on. Here the tree grows from its leaves. As noise rises, two sub-populations merge where the choice between them
is half erased: where the normalised survival of "which of the two", within both, falls below 1/2. Merges at almost one
level are one choice among several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import entr

from diffwin.levels import FloatArray
from diffwin.theory.curves import ExactCurve, ExactWindow
from diffwin.theory.panorama import Panorama
from diffwin.worlds.exact import mean_and_error

LEAVES = 32
"""Of a tree at most; the choices that decide least are left out first."""

TOGETHER = 0.35
"""Choices closer than this in log-SNR, a tenth of the width of a window, are one."""

_CERTAIN = 1 - 1e-6


@dataclass(frozen=True)
class Choice:
    """When a sub-population is left for one of its parts: the window of which part it was, among its own samples.

    `information` is what that decides of a sample, in nats: the population's weight times the entropy of its parts.
    """

    window: ExactWindow
    information: float


@dataclass(frozen=True, eq=False)
class Node:
    """A sub-population by its columns of a panorama, its weight, and its parts with the choice among them, if any.

    Above the log-SNR `merged` the parts are apart. The sampler is committed to a node and to none of its parts from the
    decision of its parent to its own.
    """

    columns: tuple[int, ...]
    weight: float
    parts: tuple[Node, ...] = ()
    merged: float = np.inf
    choice: Choice | None = None

    @property
    def leaves(self) -> int:
        return sum(part.leaves for part in self.parts) or 1

    def walk(self) -> Iterator[Node]:
        """The node and everything below it, parents first."""
        yield self
        for part in self.parts:
            yield from part.walk()


def mixture_tree(panorama: Panorama, by: str | None = None, leaves: int = LEAVES) -> Node:
    """The tree of a world's atoms, or with `by` that of the labels of a feature; at most `leaves` leaves.

    A world of more than `panorama.ATOMS` atoms has trees of labels only: ValueError without `by`.
    """
    if by is None and not panorama.by_atom:
        raise ValueError("so many atoms are seen by their labels: name a feature")
    start = np.eye(panorama.members.shape[1]) if by is None else panorama.columns(by)
    weights = panorama.world.weights @ panorama.members @ start
    nodes = [Node((k,), float(weight)) for k, weight in enumerate(weights)]
    root = _pruned(_contracted(_grown(nodes, panorama, start)), leaves)
    return _chosen(root, panorama, start)


def _grown(nodes: list[Node], panorama: Panorama, start: FloatArray) -> Node:
    """Merge from the clean end, where what is not apart is one leaf, to the noisy one, where all that is left meets."""
    for at, shares in zip(panorama.log_snr[::-1], panorama.shares[::-1], strict=True):
        if len(nodes) == 1:
            break
        nodes = _merged(nodes, shares @ (start @ _tables(nodes, start.shape[1])), panorama.weights, float(at))
        if at == panorama.log_snr[-1]:
            nodes = [replace(node, parts=(), merged=np.inf) for node in nodes]
    return nodes[0] if len(nodes) == 1 else _union(nodes, float(panorama.log_snr[0]))


def _merged(nodes: list[Node], shares: FloatArray, weights: FloatArray, at: float) -> list[Node]:
    """Merge the most erased pair until none is half erased; shares (draws, 2, nodes), weights (draws,)."""
    nodes, rows, counts = list(nodes), shares.reshape(-1, shares.shape[2]), np.repeat(weights, 2)
    counts = counts / counts.sum()
    open_ = rows.max(axis=1) < _CERTAIN
    rows, counts = rows[open_], counts[open_]
    erased = np.stack([_erased(rows, counts, nodes, k) for k in range(len(nodes))])
    while len(nodes) > 1 and erased.max() > 0.5:
        i, j = sorted(divmod(int(erased.argmax()), len(nodes)))
        nodes[i] = _union([nodes[i], nodes.pop(j)], at)
        rows[:, i] += rows[:, j]
        rows, erased = np.delete(rows, j, axis=1), np.delete(np.delete(erased, j, axis=0), j, axis=1)
        erased[i] = erased[:, i] = _erased(rows, counts, nodes, i)
    return nodes


def _erased(rows: FloatArray, counts: FloatArray, nodes: Sequence[Node], k: int) -> FloatArray:
    """What is erased of the choice between node k and each other, within both; rows (n, nodes), counts (n,).

    (w_k + w) / (w_k w) E[r_k r / (r_k + r)] over the whole world; 0 for k itself.
    """
    own, weights = rows[:, [k]], np.array([node.weight for node in nodes])
    both = np.maximum(own + rows, np.finfo(float).tiny)
    erased = counts @ (own * rows / both) * (weights[k] + weights) / (weights[k] * weights)
    erased[k] = 0.0
    return np.asarray(erased)


def _union(parts: Sequence[Node], at: float) -> Node:
    columns = tuple(column for part in parts for column in part.columns)
    return Node(columns, sum(part.weight for part in parts), tuple(parts), at)


def _contracted(node: Node) -> Node:
    """Choices at almost one level joined into one, parts in the order of their first column."""
    parts: list[Node] = []
    for part in node.parts:
        inner = _contracted(part)
        parts.extend(inner.parts if inner.parts and inner.merged - node.merged < TOGETHER else [inner])
    return replace(node, parts=tuple(sorted(parts, key=lambda part: min(part.columns))))


def _pruned(root: Node, leaves: int) -> Node:
    """Without the choices that decide least, from the leaves up, until there are few enough."""
    while root.leaves > leaves:
        last = [node for node in root.walk() if node.parts and not any(part.parts for part in node.parts)]
        root = _without_parts(root, min(last, key=_information))
    return root


def _information(node: Node) -> float:
    """Nats that the choice among a node's parts decides of a sample of the world."""
    return node.weight * float(entr([part.weight / node.weight for part in node.parts]).sum())


def _without_parts(node: Node, leaf: Node) -> Node:
    if node is leaf:
        return replace(node, parts=(), merged=np.inf)
    return replace(node, parts=tuple(_without_parts(part, leaf) for part in node.parts))


def _chosen(node: Node, panorama: Panorama, start: FloatArray) -> Node:
    """With every choice located on the axis."""
    if not node.parts:
        return node
    parts = tuple(_chosen(part, panorama, start) for part in node.parts)
    return replace(node, parts=parts, choice=_choice(node, panorama, start @ _tables(node.parts, start.shape[1])))


def _choice(node: Node, panorama: Panorama, columns: FloatArray) -> Choice:
    """From E sum_c q_c^2 over the node's own draws, q the posterior of its parts within it."""
    mine = panorama.own @ columns
    own = mine.sum(axis=1) > 0
    curve = []
    for shares in panorama.shares[:, own]:
        parts = shares @ columns
        within = parts / np.maximum(parts.sum(axis=2, keepdims=True), np.finfo(float).tiny)
        curve.append(mean_and_error(np.square(within).sum(axis=2), panorama.weights[own] * mine[own].sum(axis=1)))
    floor = float(np.square([part.weight / node.weight for part in node.parts]).sum())
    whole = ExactCurve("", "", floor, panorama.log_snr, *np.array(curve).T)
    return Choice(whole.window(), _information(node))


def _tables(nodes: Sequence[Node], columns: int) -> FloatArray:
    """Which columns each node has, (columns, nodes)."""
    tables = np.zeros((columns, len(nodes)))
    for k, node in enumerate(nodes):
        tables[list(node.columns), k] = 1.0
    return tables
