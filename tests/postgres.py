"""A PostgreSQL of the tests' own: a new cluster in a directory, on a free port of loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port
from tests.waiting import wait_until

#: Where Debian keeps the programs that are not for everyday use.
DEBIAN = Path("/usr/lib/postgresql")


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs, of the newest version."""
    found = shutil.which(name) or next(iter(sorted(map(str, DEBIAN.glob(f"*/bin/{name}")), reverse=True)), None)
    if found is None:
        raise LookupError(f"the tests need {name}: apt-get install postgresql")
    return found


def as_owner(command: Sequence[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)


class Postgres:
    """One server with an empty database; in a `with` block it is gone afterwards."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="redisq-postgres-")
        self.directory = self._folder.name
        self.port = free_port()
        self._data = f"{self.directory}/data"
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers; the same after a restart."""
        return f"postgresql://redisq@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Postgres:
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres")
        init = [program("initdb"), "-D", self._data, "-A", "trust", "-U", "redisq", "-N"]
        subprocess.run(as_owner(init), check=True, capture_output=True, cwd=self.directory)
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._server is not None:
            self.stop()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it, and come back when it answers."""
        options = ["-k", self.directory, "-p", str(self.port), "-h", "127.0.0.1", "-c", "fsync=off"]
        self._server = subprocess.Popen(
            as_owner([program("postgres"), "-D", self._data, *options]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
        )
        ready = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_until(lambda: subprocess.run(ready).returncode == 0, 60, "PostgreSQL answers")

    def stop(self) -> None:
        """End it without a word to those who are connected."""
        assert self._server is not None
        stop = [program("pg_ctl"), "-D", self._data, "-m", "immediate", "stop"]
        subprocess.run(as_owner(stop), check=True, capture_output=True, cwd=self.directory)
        self._server.wait(timeout=30)
        self._server = None

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database, which is gone afterwards."""
    with Postgres() as server:
        yield server.url
