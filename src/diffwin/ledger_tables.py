"""What a ledger holds, as tables: read whole, or part by part where a million rows would not fit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

PART = 50_000
"""Rows held at once where a large ledger is read part by part."""

# CROSS keeps the tables in this order, so that rows come along the primary key and nothing is sorted
_SAMPLES = (
    "SELECT p.text AS prompt, base, level, repeat, evaluations, image, missing "
    "FROM samples s CROSS JOIN prompts p ON p.id = s.prompt"
)
_OBSERVATIONS = (
    "SELECT p.text AS prompt, base, level, repeat, feature, label, probabilities "
    "FROM observations o CROSS JOIN prompts p ON p.id = o.prompt"
)


class LedgerTables:
    """The reading half of a ledger, over an open connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def samples(self) -> pd.DataFrame:
        """prompt, base, level, repeat, evaluations, image, missing: one row a sample, in order."""
        return self._table(f"{_SAMPLES} ORDER BY p.text, base, level, repeat")

    def observations(self) -> pd.DataFrame:
        """prompt, base, level, repeat, feature, label (index, NaN if missing), probabilities (bytes of float64)."""
        return self._table(f"{_OBSERVATIONS} ORDER BY p.text, feature, base, level, repeat")

    def samples_in_parts(self, size: int = PART) -> Iterator[pd.DataFrame]:
        """The samples, `size` rows at a time, each base before its regenerations."""
        return self._parts(f"{_SAMPLES} ORDER BY s.prompt, base, level, repeat", size)

    def observations_in_parts(self, size: int = PART) -> Iterator[pd.DataFrame]:
        """The observations, `size` rows at a time, each base before its regenerations."""
        return self._parts(f"{_OBSERVATIONS} ORDER BY o.prompt, base, level, repeat, feature", size)

    def pairs_in_parts(self, size: int = PART) -> Iterator[pd.DataFrame]:
        """Readings beside those of their bases, where both have a label, `size` rows at a time.

        prompt, base, level, repeat, feature, label, base_label (indices), probabilities, image, base_image.
        """
        return self._parts(
            "SELECT p.text AS prompt, o.base, o.level, o.repeat, o.feature, o.label, b.label AS base_label, "
            "o.probabilities, s.image, c.image AS base_image "
            "FROM observations o CROSS JOIN prompts p ON p.id = o.prompt "
            "CROSS JOIN observations b ON (b.prompt, b.base, b.level, b.repeat, b.feature) = "
            "(o.prompt, o.base, 0, 0, o.feature) "
            "CROSS JOIN samples s ON (s.prompt, s.base, s.level, s.repeat) = (o.prompt, o.base, o.level, o.repeat) "
            "CROSS JOIN samples c ON (c.prompt, c.base, c.level, c.repeat) = (o.prompt, o.base, 0, 0) "
            "WHERE o.label IS NOT NULL AND b.label IS NOT NULL ORDER BY o.prompt, o.base, o.level, o.repeat, o.feature",
            size,
        )

    def counts(self) -> pd.DataFrame:
        """prompt, base, level, samples: how many there are, missing ones among them."""
        return self._table(
            "SELECT p.text AS prompt, base, level, samples FROM ("
            "SELECT prompt, base, level, count(*) AS samples FROM samples GROUP BY prompt, base, level"
            ") s JOIN prompts p ON p.id = s.prompt ORDER BY p.text, base, level"
        )

    def missing(self) -> pd.DataFrame:
        """prompt, base, level, repeat, feature, reason: samples that are missing, to feature `all`, and abstentions."""
        return self._table(
            "SELECT p.text AS prompt, base, level, repeat, feature, reason FROM ("
            "SELECT 0 AS kind, prompt, base, level, repeat, 'all' AS feature, missing AS reason FROM samples "
            "WHERE missing IS NOT NULL UNION ALL "
            "SELECT 1, prompt, base, level, repeat, feature, 'the probe abstained' FROM observations "
            "WHERE label IS NULL) m JOIN prompts p ON p.id = m.prompt "
            "ORDER BY kind, p.text, feature, base, level, repeat"
        )

    def looks(self) -> pd.DataFrame:
        """prompt, base, level, repeat, look, feature, confidence, due, agrees: what was read on the way in samples that
        are finished and read, and whether the finished one is read the same; an abstention agrees with nothing."""
        return self._table(
            "SELECT p.text AS prompt, l.base, l.level, l.repeat, l.look, l.feature, l.confidence, l.due, "
            "ifnull(l.label = o.label, 0) AS agrees FROM looks l CROSS JOIN prompts p ON p.id = l.prompt "
            "CROSS JOIN observations o ON (o.prompt, o.base, o.level, o.repeat, o.feature) = "
            "(l.prompt, l.base, l.level, l.repeat, l.feature) "
            "ORDER BY p.text, l.base, l.level, l.repeat, l.look, l.feature"
        )

    def screened(self) -> pd.DataFrame:
        """prompt, base, level, repeat, look, evaluations: the samples that a screen ended, and at which level."""
        return self._table(
            "SELECT p.text AS prompt, e.base, e.level, e.repeat, e.look, s.evaluations FROM screened e "
            "CROSS JOIN prompts p ON p.id = e.prompt CROSS JOIN samples s ON (s.prompt, s.base, s.level, s.repeat) = "
            "(e.prompt, e.base, e.level, e.repeat) ORDER BY p.text, e.base, e.level, e.repeat"
        )

    def measured(self) -> list[str]:
        """The kinds of numbers that are there."""
        return [name for (name,) in self._db.execute("SELECT DISTINCT name FROM measures ORDER BY name")]

    def measures(self, name: str) -> NDArray[np.float64]:
        """(n, 4) image, level, repeat and value of one kind of number; NaN where there is none to be had."""
        rows = self._db.execute("SELECT image, level, repeat, value FROM measures WHERE name = ?", (name,)).fetchall()
        return np.array(rows, np.float64).reshape(-1, 4)

    def evaluations(self) -> int:
        """Network rows behind the samples held."""
        return int(self._db.execute("SELECT ifnull(sum(evaluations), 0) FROM samples").fetchone()[0])

    def _table(self, query: str, *values: Any) -> pd.DataFrame:
        import pandas as pd

        return pd.read_sql_query(query, self._db, params=values)

    def _parts(self, query: str, size: int) -> Iterator[pd.DataFrame]:
        import pandas as pd

        return pd.read_sql_query(query, self._db, chunksize=size)
