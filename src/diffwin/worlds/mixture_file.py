"""From the components of a world file to a Gaussian mixture and its features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffwin.errors import BadInput
from diffwin.levels import FloatArray
from diffwin.worlds.base import Feature
from diffwin.worlds.file import ComponentSpec, Matrix, MixtureSpec
from diffwin.worlds.mixture import GaussianMixture


def build_mixture(spec: MixtureSpec, where: str) -> tuple[GaussianMixture, dict[str, Feature]]:
    """The mixture of a world file and its features; components of weight zero are left out."""
    _check_labels(spec.component, where)
    _check_distinct(spec.component, where)
    places = [f"{where}: component[{i}]" for i in range(len(spec.component))]
    means = np.stack([_mean(part, spec.dimension, at) for part, at in zip(spec.component, places, strict=True)])
    kept = [i for i, part in enumerate(spec.component) if part.weight > 0]
    if not kept:
        raise BadInput("every weight is zero", where=f"{where}: component", cure="give one of them a weight")
    drawn = [spec.component[i] for i in kept]
    weights = [part.weight for part in drawn]
    features = {name: Feature.of([part.labels[name] for part in drawn]) for name in drawn[0].labels}
    if _is_isotropic(spec, where):
        stds = [_std(part, spec) for part in drawn]
        return _checked(GaussianMixture(weights, means[kept], std=stds), where), features
    matrices = np.stack([_covariance(spec.component[i], spec, places[i]) for i in kept])
    return _checked(GaussianMixture(weights, means[kept], covariance=matrices), where), features


def _checked(mixture: GaussianMixture, where: str) -> GaussianMixture:
    if mixture.smallest_std < 1e-6 * np.abs(mixture.means).max():
        cure = "widen it or bring the means nearer"
        raise BadInput("a std is below a millionth of the largest mean", where=where, cure=cure)
    return mixture


def _check_labels(components: Sequence[ComponentSpec], where: str) -> None:
    names = components[0].labels
    for i, component in enumerate(components):
        if component.labels.keys() != names.keys():
            raise BadInput(
                f"its features ({', '.join(component.labels)}) are not those of component[0]",
                where=f"{where}: component[{i}].labels",
                cure=f"label {', '.join(names)}",
            )


def _check_distinct(components: Sequence[ComponentSpec], where: str) -> None:
    seen: dict[str, int] = {}
    for i, component in enumerate(components):
        first = seen.setdefault(component.model_dump_json(exclude={"weight"}), i)
        if first != i:
            cure = "keep one of them and add up the weights"
            raise BadInput(f"the same as component[{first}]", where=f"{where}: component[{i}]", cure=cure)


def _mean(component: ComponentSpec, dimension: int, where: str) -> FloatArray:
    """(d,): the mean as written, or zero but for the axes named."""
    if (component.mean is None) == (component.axis is None):
        raise BadInput("a component needs mean or axis, not both", where=where, cure="write one of the two")
    if component.mean is not None:
        if len(component.mean) != dimension:
            what = f"{len(component.mean)} numbers in {dimension} dimensions"
            raise BadInput(what, where=f"{where}.mean", cure=f"give {dimension} numbers")
        return np.asarray(component.mean, np.float64)
    mean = np.zeros(dimension)
    for index, value in (component.axis or {}).items():
        mean[_axis(index, dimension, f"{where}.axis")] = value
    return mean


def _axis(index: str, dimension: int, where: str) -> int:
    if not (index.isascii() and index.isdecimal()) or str(int(index)) != index or int(index) >= dimension:
        raise BadInput(f"no axis {index!r}", where=where, cure=f"count the axes from 0 to {dimension - 1}")
    return int(index)


def _is_isotropic(spec: MixtureSpec, where: str) -> bool:
    """Whether no covariance is given; BadInput where one stands beside a std."""
    places: dict[str, MixtureSpec | ComponentSpec] = {where: spec}
    places |= {f"{where}: component[{i}]": part for i, part in enumerate(spec.component)}
    for place, table in places.items():
        if table.std is not None and table.covariance is not None:
            raise BadInput("std and covariance are both given", where=place, cure="leave one of them out")
    return all(table.covariance is None for table in places.values())


def _std(component: ComponentSpec, spec: MixtureSpec) -> float:
    return component.std or spec.std or 1.0


def _covariance(component: ComponentSpec, spec: MixtureSpec, where: str) -> FloatArray:
    """(d, d): the component's own, or made of its std, or the world's."""
    if component.covariance is not None:
        return _matrix(component.covariance, spec.dimension, f"{where}.covariance")
    if component.std is None and spec.covariance is not None:
        return _matrix(spec.covariance, spec.dimension, f"{where.rpartition(':')[0]}: covariance")
    return np.eye(spec.dimension) * _std(component, spec) ** 2


def _matrix(rows: Matrix, dimension: int, where: str) -> FloatArray:
    """A symmetric positive definite matrix of the right size."""
    if [len(row) for row in rows] != [dimension] * dimension:
        raise BadInput(f"not {dimension} rows of {dimension} numbers", where=where, cure="write a square matrix")
    matrix = np.asarray(rows, np.float64)
    if not np.allclose(matrix, matrix.T, rtol=1e-9, atol=0):
        raise BadInput("not symmetric", where=where, cure="mirror the entries across the diagonal")
    least, greatest = np.linalg.eigvalsh(matrix)[[0, -1]]
    if least <= 1e-12 * abs(greatest):
        cure = "every eigenvalue must be positive: enlarge the diagonal"
        raise BadInput(f"not positive definite (least eigenvalue {least:.3g})", where=where, cure=cure)
    return matrix
