"""Predictions from variances alone: speciation from top eigenvalues, collapse from the number of samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from diffwin.levels import FloatArray, log_snr_at
from diffwin.worlds.base import Feature
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture


def spectral_time(eigenvalue: ArrayLike) -> FloatArray:
    """OU time ln(Lambda) / 2 at which a top eigenvalue Lambda of the data's covariance has sunk to the noise.

    Lambda e^-2t = 1 (Biroli et al. 2024, for data in general). Below 0 the data never stand out: no prediction.
    """
    return np.asarray(0.5 * np.log(np.asarray(eigenvalue, np.float64)))


def spectral_log_snr(eigenvalue: float) -> float | None:
    """The same as a log-SNR; None where Lambda is at most 1."""
    return float(log_snr_at(spectral_time(eigenvalue))) if eigenvalue > 1 else None


def first_step_beyond(alpha_bar: ArrayLike, ou_time: ArrayLike) -> FloatArray:
    """The first training timestep (from 0) whose OU time -ln(alpha_bar) / 2 reaches this one."""
    return np.asarray(np.searchsorted(-0.5 * np.log(np.asarray(alpha_bar, np.float64)), ou_time))


def collapse_time(samples: float, dimension: float, std: float = 1.0) -> float:
    """OU time at which an ideal score of n samples in d dimensions falls back on one of them (Biroli et al. 2024).

    ln(1 + std^2 / (n^(2/d) - 1)) / 2, for Gaussian components of variance std^2: memorisation, on the clean side.
    """
    return float(0.5 * np.log1p(std**2 / np.expm1(2 * np.log(samples) / dimension)))


def top_eigenvalue(world: GaussianMixture | ImageSet) -> float:
    """Largest eigenvalue of the covariance of the world's finished samples."""
    if isinstance(world, ImageSet):
        return _top_of_rows(world.offsets * np.sqrt(world.weights)[:, None])
    centred = (world.means - world.weights @ world.means) * np.sqrt(world.weights)[:, None]
    if world.axes is None:
        return _top_of_rows(centred) + float(world.weights @ world.variance)
    within = np.einsum("k,kij,kj,klj->il", world.weights, world.axes, world.variance, world.axes)
    return float(np.linalg.eigvalsh(within + centred.T @ centred)[-1])


def top_between(world: GaussianMixture | ImageSet, feature: Feature) -> float:
    """Largest eigenvalue of the covariance between the means of a feature's labels, each by its prior."""
    points = world.offsets if isinstance(world, ImageSet) else world.means
    joint = world.weights[:, None] * feature.table
    prior = joint.sum(axis=0)
    means = (joint.T @ points) / prior[:, None]
    return _top_of_rows((means - prior @ means) * np.sqrt(prior)[:, None])


def _top_of_rows(rows: np.ndarray) -> float:
    """Largest eigenvalue of rows^T rows, from the smaller of the two products."""
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    return float(np.linalg.eigvalsh(gram.astype(np.float64))[-1])
