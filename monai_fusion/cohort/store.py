"""What became of each study: an SQLite file that the run alone writes, one transaction a study."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from monai_fusion.cohort.causes import cause_of
from monai_fusion.cohort.study import STATES, Outcome, as_warnings, is_folder_name
from monai_fusion.errors import OutputError

__all__ = ["ResultStore", "StoredStudy"]

_APPLICATION, _VERSION = 0x4D4F4643, 1  # "MOFC"
_STATES = ", ".join(f"'{state}'" for state in STATES)
_SCHEMA = f"""
CREATE TABLE study (
    id TEXT PRIMARY KEY NOT NULL,
    state TEXT NOT NULL CHECK (state IN ({_STATES})),
    key TEXT,
    reason TEXT NOT NULL CHECK ((state = 'done') = (reason = '')),
    cause TEXT NOT NULL,
    warnings TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE effort (
    id TEXT PRIMARY KEY NOT NULL REFERENCES study (id),
    stamp TEXT NOT NULL,
    configuration TEXT NOT NULL,
    seconds REAL NOT NULL,
    cpu_seconds REAL NOT NULL,
    peak_mib REAL NOT NULL,
    deaths INTEGER NOT NULL,
    finished TEXT NOT NULL
) STRICT, WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
"""


@dataclass(frozen=True)
class StoredStudy:
    """A row of the store.

    Args:
        id, state, key, reason, cause, warnings: what is the same however often the run was disturbed.
        stamp, configuration: when the study was last looked at (see `stamp_study`, `hash_configuration`).
        seconds, peak_mib: that it took.
    """

    id: str
    state: str
    key: str | None
    reason: str
    cause: str
    warnings: tuple[str, ...]
    stamp: str
    configuration: str
    seconds: float
    peak_mib: float


class ResultStore:
    """The table ``study`` holds one row a study, the table ``effort`` what differs from run to run; a context manager.

    SQLite with a rollback journal and full synchronisation, its defaults: after a crash or a cut of power the file
    holds each transaction that was committed. A log (WAL) would be faster, but needs memory that is shared, which
    network file systems have not.

    Args:
        path: the file; made where it is missing.

    Raises:
        OutputError: it cannot be made or is no such store. So do all methods where it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._telling():
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA trusted_schema = OFF")
            self._prepare()
            self._file = os.stat(path)

    def _prepare(self) -> None:
        application, version = (self._value(f"PRAGMA {name}") for name in ("application_id", "user_version"))
        if self._value("SELECT count(*) FROM sqlite_master") == 0:
            self._database.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
        elif (application, version) != (_APPLICATION, _VERSION) or self._tables(self._database) != _own_tables():
            raise OutputError(f"{self.path}: is not a store of this version of monai-fusion; choose another folder")

    @staticmethod
    def _tables(database: sqlite3.Connection) -> set[tuple[str, ...]]:
        """All that the file defines: no view or trigger may be among it."""
        return set(database.execute("SELECT type, name, sql FROM sqlite_master"))

    def _value(self, query: str) -> int:
        [(value,)] = self._database.execute(query)
        return int(value)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, OutputError):
                raise
            reason = getattr(error, "strerror", None) or error
            raise OutputError(
                f"{self.path}: cannot be read or written ({reason}); check folder and free space, then run again"
            ) from error

    def __enter__(self) -> ResultStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()

    def record(self, study_id: str, outcome: Outcome, stamp: str, configuration: str) -> None:
        """Writes the one state of a study, in the place of an earlier one."""
        warnings = json.dumps(sorted({cause_of(warning) for warning in outcome.warnings}))
        finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with self._telling():
            self._check_still_there()
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.execute(
                    "INSERT OR REPLACE INTO study VALUES (?, ?, ?, ?, ?, ?)",
                    (study_id, outcome.state, outcome.key, outcome.reason, cause_of(outcome.reason), warnings),
                )
                self._database.execute(
                    "INSERT OR REPLACE INTO effort VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        study_id,
                        stamp,
                        configuration,
                        outcome.seconds,
                        outcome.cpu_seconds,
                        outcome.peak_mib,
                        outcome.deaths,
                        finished,
                    ),
                )
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def _check_still_there(self) -> None:
        """SQLite would go on writing to a file that was removed."""
        try:
            same = os.path.samestat(self._file, os.stat(self.path))
        except FileNotFoundError:
            same = False
        if not same:
            raise OutputError(f"{self.path}: was removed while the run was at work; nothing more can be recorded")

    def studies(self) -> dict[str, StoredStudy]:
        """All rows by id."""
        query = """SELECT id, state, key, reason, cause, warnings, stamp, configuration, seconds, peak_mib
                   FROM study JOIN effort USING (id) ORDER BY id"""
        with self._telling():
            rows = self._database.execute(query).fetchall()
        names = [field.name for field in fields(StoredStudy)]
        return {row[0]: self._checked(dict(zip(names, row))) for row in rows}

    def _checked(self, row: dict[str, Any]) -> StoredStudy:
        """The id and the key become the names of folders."""
        try:
            warnings = as_warnings(json.loads(row["warnings"]))
            named = all(is_folder_name(row[name]) for name in ("id", "key") if row[name] is not None)
            if not named or not all(math.isfinite(row[name]) for name in ("seconds", "peak_mib")):
                raise ValueError
        except (ValueError, TypeError, RecursionError) as error:
            raise OutputError(
                f"{self.path}: holds a study that no run wrote; choose another folder, or remove it"
            ) from error
        return StoredStudy(**{**row, "warnings": warnings})


def _own_tables() -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(_SCHEMA)
        return ResultStore._tables(database)
