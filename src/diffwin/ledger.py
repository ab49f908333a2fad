"""The ledger: one SQLite file per run that holds what was planned, generated and read.

One writer, in transactions, so that a process killed anywhere loses only what was in flight, and the same command goes
on. A base is the sample at level 0; its regenerations are the samples above.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffwin.errors import BadInput, DiffwinError
from diffwin.ledger_tables import PART, LedgerTables
from diffwin.trials import Base, Trial

if TYPE_CHECKING:
    pass

FORMAT = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS prompts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS samples (
    prompt INTEGER NOT NULL, base INTEGER NOT NULL, level INTEGER NOT NULL, repeat INTEGER NOT NULL,
    evaluations INTEGER NOT NULL, image TEXT, missing TEXT,
    PRIMARY KEY (prompt, base, level, repeat)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS states (
    prompt INTEGER NOT NULL, base INTEGER NOT NULL, level INTEGER NOT NULL,
    dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (prompt, base, level)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS observations (
    prompt INTEGER NOT NULL, base INTEGER NOT NULL, level INTEGER NOT NULL, repeat INTEGER NOT NULL,
    feature TEXT NOT NULL, label INTEGER, probabilities BLOB,
    PRIMARY KEY (prompt, base, level, repeat, feature)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS measures (
    name TEXT NOT NULL, image INTEGER NOT NULL, level INTEGER NOT NULL, repeat INTEGER NOT NULL, value REAL,
    PRIMARY KEY (name, image, level, repeat)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS screened (
    prompt INTEGER NOT NULL, base INTEGER NOT NULL, level INTEGER NOT NULL, repeat INTEGER NOT NULL,
    look INTEGER NOT NULL, PRIMARY KEY (prompt, base, level, repeat)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS looks (
    prompt INTEGER NOT NULL, base INTEGER NOT NULL, level INTEGER NOT NULL, repeat INTEGER NOT NULL,
    look INTEGER NOT NULL, feature TEXT NOT NULL, label INTEGER, confidence REAL NOT NULL, due INTEGER NOT NULL,
    PRIMARY KEY (prompt, base, level, repeat, look, feature)) WITHOUT ROWID;
"""


@dataclass(frozen=True, eq=False)
class Sample:
    """One finished image with what was read in it; `readings` maps a feature to probabilities (labels,).

    `look` is the level where a screen ended it, which then shows the model's estimate of the finished image.
    """

    trial: Trial
    evaluations: int
    image: str | None
    missing: str | None
    readings: dict[str, NDArray[np.float64]]
    look: int | None = None

    @property
    def is_base(self) -> bool:
        return self.trial.level == 0


@dataclass(frozen=True, eq=False)
class Look:
    """What was read on the way in a regeneration that is carried to the end: `confidence` of the least sure probe,
    and whether it was `due` to end here had it not been chosen to check the screen."""

    trial: Trial
    look: int
    confidence: float
    due: bool
    readings: dict[str, NDArray[np.float64]]


_COUNT_CHANGE = "INSERT INTO meta VALUES ('changes', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"


class Ledger(LedgerTables):
    """A run's record; open it with `writing` to add to it or `reading` to look at it."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        super().__init__(connection)
        self.folder = folder
        self._prompts: dict[str, int] = {text: key for key, text in self._db.execute("SELECT id, text FROM prompts")}

    @classmethod
    @contextmanager
    def writing(cls, folder: Path) -> Iterator[Ledger]:
        """The one writer of a run folder, which is made if need be."""
        from filelock import FileLock, Timeout

        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / ".lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise BadInput(
                "another process is writing here", where=str(folder), cure="wait, or use another --out"
            ) from None
        except OSError as error:
            raise BadInput(
                f"cannot write here ({error.strerror})", where=str(folder), cure="choose another --out"
            ) from None
        try:
            with _connect(folder / "run.sqlite") as connection:
                connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _TABLES)
                yield cls(connection, folder)
        finally:
            lock.release()

    @classmethod
    @contextmanager
    def reading(cls, folder: Path) -> Iterator[Ledger]:
        if not (folder / "run.sqlite").is_file():
            raise BadInput("no run.sqlite here", where=str(folder), cure="name the folder that a probe wrote")
        with _connect(folder / "run.sqlite") as connection:
            yield cls(connection, folder)

    def get(self, name: str) -> Any:
        """A value of the record, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, **values: Any) -> None:
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in values.items()],
            )

    @property
    def changes(self) -> int:
        """How often samples were written: results of the same count are of the same samples."""
        return int(self.get("changes") or 0)

    def claim(self, identity: dict[str, Any]) -> None:
        """Bind the folder to a plan's identity, or refuse with the difference."""
        held, form = self.get("identity"), self.get("format")
        if form not in (None, FORMAT):
            raise BadInput(
                f"written in format {form}, this diffwin writes {FORMAT}",
                where=str(self.folder),
                cure="use another --out",
            )
        if held is None:
            self.put(identity=identity, format=FORMAT)
            return
        changed = [
            f"{name} {held.get(name)!r} there, {value!r} here"
            for name, value in identity.items()
            if held.get(name, value) != value  # a folder of an older diffwin says nothing of newer settings
        ]
        if changed:
            raise BadInput(
                f"holds another plan ({'; '.join(changed)})",
                where=str(self.folder),
                cure="use another --out, or the same settings",
            )

    def _prompt(self, text: str) -> int:
        if text not in self._prompts:
            with self._db:
                key = self._db.execute("INSERT INTO prompts (text) VALUES (?)", (text,)).lastrowid
            assert key is not None
            self._prompts[text] = key
        return self._prompts[text]

    def add(self, samples: Sequence[Sample], states: Iterable[tuple[Base, int, NDArray[Any]]] = ()) -> None:
        """Write samples, their observations and any states in one transaction."""
        address = {id(s): (self._prompt(s.trial.prompt), s.trial.base, s.trial.level, s.trial.repeat) for s in samples}
        kept = [(self._prompt(b.prompt), b.index, level, *_packed(state)) for b, level, state in states]
        with self._db:
            self._db.execute(_COUNT_CHANGE)
            self._db.executemany("INSERT OR REPLACE INTO states VALUES (?,?,?,?,?,?)", kept)
            self._db.executemany(
                "INSERT OR REPLACE INTO samples VALUES (?,?,?,?,?,?,?)",
                [(*address[id(s)], s.evaluations, s.image, s.missing) for s in samples],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO observations VALUES (?,?,?,?,?,?,?)",
                [(*address[id(s)], feature, *_reading(p)) for s in samples for feature, p in s.readings.items()],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO screened VALUES (?,?,?,?,?)",
                [(*address[id(s)], s.look) for s in samples if s.look is not None],
            )

    def note(self, looks: Iterable[Look]) -> None:
        """Write what was read on the way."""
        rows = [
            (*address, each.look, feature, _reading(p)[0], each.confidence, each.due)
            for each in looks
            for address in [(self._prompt(each.trial.prompt), each.trial.base, each.trial.level, each.trial.repeat)]
            for feature, p in each.readings.items()
        ]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO looks VALUES (?,?,?,?,?,?,?,?,?)", rows)

    def forget_screened(self, features: Collection[str]) -> None:
        """Drop the screened samples in which a feature was not read: their estimates were not judged for it."""
        marks, key = ",".join("?" * len(features)), "(prompt, base, level, repeat) = (?, ?, ?, ?)"
        lacking = self._db.execute(
            "SELECT prompt, base, level, repeat FROM screened s WHERE (SELECT count(*) FROM observations o WHERE "
            "(o.prompt, o.base, o.level, o.repeat) = (s.prompt, s.base, s.level, s.repeat) "
            f"AND feature IN ({marks})) < ?",
            (*features, len(features)),
        ).fetchall()
        with self._db:
            for table in ("samples", "observations", "screened"):
                self._db.executemany(f"DELETE FROM {table} WHERE {key}", lacking)

    def state(self, prompt: str, base: int, level: int) -> NDArray[Any]:
        """The state of a base at a level (0: finished)."""
        row = self._db.execute(
            "SELECT dtype, shape, data FROM states WHERE prompt = ? AND base = ? AND level = ?",
            (self._prompt(prompt), base, level),
        ).fetchone()
        if row is None:
            raise DiffwinError(f"{self.folder}: no state of base {base} at level {level}")
        return np.frombuffer(row[2], row[0]).reshape(json.loads(row[1])).copy()

    def kept(self, prompt: str) -> set[tuple[int, int]]:
        """(base, level) of every state that is held."""
        return set(self._db.execute("SELECT base, level FROM states WHERE prompt = ?", (self._prompt(prompt),)))

    def done(self, prompt: str, features: Collection[str]) -> NDArray[np.int64]:
        """(n, 3) base, level and repeat of the samples of a prompt that are missing, or read for all the features."""
        marks, key = ",".join("?" * len(features)), self._prompt(prompt)
        rows = self._db.execute(
            "SELECT base, level, repeat FROM samples WHERE prompt = ? AND missing IS NOT NULL UNION ALL "
            f"SELECT base, level, repeat FROM observations WHERE prompt = ? AND feature IN ({marks}) "
            "GROUP BY base, level, repeat HAVING count(*) = ?",
            (key, key, *features, len(features)),
        )
        parts = [np.zeros((0, 3), np.int64)]
        while part := rows.fetchmany(PART):
            parts.append(np.array(part, np.int64))
        return np.concatenate(parts)

    def unread(self, features: Collection[str], size: int) -> Iterator[list[tuple[Trial, int, str]]]:
        """Samples with a picture in which a feature was not read yet, `size` at a time: trial, evaluations, picture."""
        marks, after = ",".join("?" * len(features)), (0, -1, 0, 0)
        texts = {key: text for text, key in self._prompts.items()}
        while found := self._db.execute(
            "SELECT prompt, base, level, repeat, evaluations, image FROM samples s "
            "WHERE (prompt, base, level, repeat) > (?, ?, ?, ?) AND image IS NOT NULL AND missing IS NULL AND ("
            "SELECT count(*) FROM observations o WHERE (o.prompt, o.base, o.level, o.repeat) = "
            f"(s.prompt, s.base, s.level, s.repeat) AND feature IN ({marks})) < ? "
            "ORDER BY prompt, base, level, repeat LIMIT ?",
            (*after, *features, len(features), size),
        ).fetchall():
            yield [(Trial(texts[key], *rest), evaluations, image) for key, *rest, evaluations, image in found]
            after = found[-1][:4]

    def lost(self, prompt: str) -> set[int]:
        """The bases of a prompt that are missing."""
        return {
            index
            for (index,) in self._db.execute(
                "SELECT base FROM samples WHERE prompt = ? AND level = 0 AND missing IS NOT NULL",
                (self._prompt(prompt),),
            )
        }

    def add_measures(self, rows: Iterable[tuple[str, int, int, int, float]]) -> None:
        """Write numbers measured on given pictures in one transaction: name, image, level, repeat, value."""
        with self._db:
            self._db.execute(_COUNT_CHANGE)
            self._db.executemany("INSERT OR REPLACE INTO measures VALUES (?,?,?,?,?)", rows)  # NaN becomes NULL


@contextmanager
def _connect(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA schema_version")
    except sqlite3.DatabaseError as error:
        raise BadInput(f"not a run's ledger ({error})", where=str(path), cure="use another folder") from None
    try:
        yield connection
    except sqlite3.OperationalError as error:
        raise DiffwinError(f"{path}: {error}; what was written before is kept") from error
    finally:
        connection.close()


def _packed(state: NDArray[Any]) -> tuple[str, str, bytes]:
    return state.dtype.str, json.dumps(state.shape), np.ascontiguousarray(state).tobytes()


def _reading(probabilities: NDArray[np.float64]) -> tuple[int | None, bytes | None]:
    """(label, probabilities); an abstention has neither."""
    if not np.isfinite(probabilities).all():
        return None, None
    return int(probabilities.argmax()), np.asarray(probabilities, "<f8").tobytes()
