"""Worlds whose posterior is known exactly: Gaussian mixtures and image sets, in numpy alone."""
