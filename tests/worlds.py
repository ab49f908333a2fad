"""World files used by several tests."""

from __future__ import annotations

from itertools import product
from pathlib import Path

TWO = """
kind = "gaussian-mixture"
dimension = 2
[[component]]
weight = 1.0
mean = [8.0, 0.0]
labels = {colour = "red"}
[[component]]
weight = 3
axis = {0 = -8.0}
std = 0.5
labels = {colour = "blue"}
"""
SET = 'kind = "image-set"\nimages = "set.npz"\n'


def hypercube(folder: Path, sizes: tuple[float, ...] = (30.0, 10.0, 3.0), **grid: float) -> Path:
    """A mixture with means sum_k +-a_k e_k and unit variance: feature k is decided at OU time t_S = ln a_k."""
    lines = ['kind = "gaussian-mixture"', f"dimension = {len(sizes)}"]
    if grid:
        lines += ["[grid]", *(f"{name} = {value}" for name, value in grid.items())]
    for signs in product((1, -1), repeat=len(sizes)):
        mean = [sign * size for sign, size in zip(signs, sizes, strict=True)]
        labels = ", ".join(f'axis{k} = "{"plus" if sign > 0 else "minus"}"' for k, sign in enumerate(signs))
        lines += ["[[component]]", "weight = 1.0", f"mean = {mean}", f"labels = {{{labels}}}"]
    path = folder / "hypercube.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def write(folder: Path, text: str) -> Path:
    """`text` as world.toml in `folder`."""
    path = folder / "world.toml"
    path.write_text(text, encoding="utf-8")
    return path
