"""Who opens a new file while another does, waits."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.wal import use_wal


class Locked:
    """A connection whose file is locked for some tries."""

    def __init__(self, tries, code=sqlite3.SQLITE_BUSY):
        self.tries, self.code, self.asked = tries, code, 0
        self.own = sqlite3.connect(":memory:")

    def execute(self, statement):
        self.asked += 1
        if self.asked <= self.tries:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = self.code
            raise error
        return self.own.execute(statement)


def test_a_file_that_is_locked_for_a_moment_is_asked_again():
    connection = Locked(3)
    use_wal(connection, 60.0)
    assert connection.asked == 4


def test_one_that_stays_locked_is_an_error_and_so_is_any_other_fault():
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        use_wal(Locked(10**6), 0.1)
    broken = Locked(1, sqlite3.SQLITE_IOERR)
    with pytest.raises(sqlite3.OperationalError):
        use_wal(broken, 60.0)
    assert broken.asked == 1


def test_many_that_open_a_new_file_at_once_all_have_it(tmp_path):
    def open_it(n):
        connection = sqlite3.connect(tmp_path / f"{n % 25}.sqlite", timeout=60.0)
        use_wal(connection, 60.0)
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        connection.close()
        return mode

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(open_it, [n // 8 for n in range(200)])) == {"wal"}
