"""The database that keeps the trials of a search, where several processes may write at once."""

from __future__ import annotations

import sqlite3
import time

import optuna
from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from glassnet.errors import GlassnetError

SQLITE = "sqlite"
WAIT_S = 60.0  # for another process that holds the database
LOOKS = 50  # at tables that another process makes at the same moment; each look that fails finds one more there


def opened(url: str) -> RDBStorage:
    """The storage at an address, made where it isn't there yet. Raises GlassnetError for one that can't be used."""
    try:
        return _one_by_one(_made(url)) if url.startswith(SQLITE) else _made(url)
    except (SQLAlchemyError, ImportError, RuntimeError, ValueError, optuna.exceptions.OptunaError) as error:
        raise unusable(url, error) from error


def unusable(url: str, error: Exception) -> GlassnetError:
    """What to say of a database that can't be used."""
    why = (str(error.__cause__ or error) or type(error).__name__).splitlines()[0]
    fix = "Name a database, such as sqlite:///trials.db, or leave --storage out"
    return GlassnetError(shown(url), found=f"can't be used to keep trials: {why}", fix=fix)


def shown(url: str) -> str:
    """A database's URL as it may be shown: without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def _made(url: str) -> RDBStorage:
    """The storage, whose tables two processes may have begun to make at once: the slower one looks again."""
    waiting = {"connect_args": {"timeout": WAIT_S}} if url.startswith(SQLITE) else {}
    left = LOOKS
    while True:
        try:
            return RDBStorage(url, engine_kwargs=waiting)
        except SQLAlchemyError as error:
            left -= 1
            if not left or not (isinstance(error, IntegrityError) or "already exists" in str(error)):
                raise
        time.sleep(0.1)


def _one_by_one(storage: RDBStorage) -> RDBStorage:
    """The storage, each of whose transactions takes the database before it reads: they come one after another.

    Left alone, Python's sqlite3 begins a transaction at the first change. Optuna reads that a trial waits, then says
    that it runs: two processes both took the same trial.
    """
    event.listen(storage.engine, "connect", _by_hand)
    event.listen(storage.engine, "begin", _take)
    storage.engine.dispose()  # connections from before
    return storage


def _by_hand(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # no transaction but those that are begun


def _take(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
