"""A run's tables as Parquet and CSV, written part by part, so that a million samples fit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pandas as pd

from diffwin import screen
from diffwin.files import safe_cells
from diffwin.ledger import Ledger
from diffwin.named import labelled
from diffwin.results import Run


def export_tables(run: Run, out: Path | None = None) -> list[Path]:
    """Samples, observations, curves and windows as Parquet and CSV, and which samples a screen ended, if there was one;
    returns the files."""
    folder = out or run.folder
    folder.mkdir(parents=True, exist_ok=True)
    with Ledger.reading(run.folder) as ledger:
        labels = run.record["labels"]
        ended = ledger.screened() if run.plan.screen else None
        samples, observations = (
            (part if ended is None else screen.marked(part, ended) for part in parts)
            for parts in (ledger.samples_in_parts(), ledger.observations_in_parts())
        )
        written = _write_parts(folder / "samples", samples)
        written += _write_parts(folder / "observations", (labelled(part, labels) for part in observations))
        if ended is not None:
            written += _write_parts(folder / "screened", [ended])
    return [*written, *_write_parts(folder / "curves", [run.curves]), *_write_parts(folder / "windows", [run.windows])]


def _write_parts(path: Path, parts: Iterable[pd.DataFrame]) -> list[Path]:
    """Write one table, given part by part, as PATH.parquet and PATH.csv, whole or not at all."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    files = [path.with_name(f"{path.name}.{kind}") for kind in ("parquet", "csv")]
    beside = [file.with_name(file.name + ".part") for file in files]
    walk = iter(parts)
    first = next(walk)  # an empty table is one part without rows
    fields = pa.Schema.from_pandas(first, preserve_index=False)
    # text of which the first part holds nothing
    schema = pa.schema([each.with_type(pa.string()) if pa.types.is_null(each.type) else each for each in fields])
    with beside[1].open("w", encoding="utf-8", newline="") as lines, ParquetWriter(beside[0], schema) as columns:
        for part in chain([first], walk):
            columns.write_table(pa.Table.from_pandas(part, schema=schema, preserve_index=False))
            safe_cells(part).to_csv(lines, index=False, header=part is first)
    for held, file in zip(beside, files, strict=True):
        os.replace(held, file)
    return files
