"""An environment per peer, from the pinned files in requirements/; redisq's has this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent

#: By names in small letters: an author may spell them otherwise.
_VERSIONS = """
import importlib.metadata, json
print(json.dumps({each.name.lower(): each.version for each in importlib.metadata.distributions()}))
"""


def install(home: Path, peer: str, pins: Path = HERE / "requirements", extras: str = "") -> None:
    """Make it, or bring it up to date with its file. `extras`: of redisq, such as `[api]`."""
    folder = home / peer
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    what = ["-r", pins / f"{peer}.txt"]
    if peer == "redisq":
        what += ["--editable", f"{CHECKOUT}{extras}"]
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *what], check=True)


def program(home: Path, peer: str, name: str) -> str:
    """A command of the peer's environment."""
    path = home / peer / "bin" / name
    if not path.exists():
        raise SystemExit(f"{peer}: {name} is not installed under {home}; run.py --install installs it")
    return str(path)


def environment(home: Path, peer: str) -> dict[str, str]:
    """What its programs find in the environment, besides what the run tells them."""
    search = os.pathsep.join([str(home / peer / "bin"), os.environ.get("PATH", os.defpath)])
    return os.environ | {"PATH": search, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}


def versions(home: Path, peer: str) -> str:
    """The peer's, and in brackets its client's."""
    found = distributions(home, peer)
    own = {"redisq": "redisq-jobs", "limits": "redis"}.get(peer, peer)
    others = [name for name in ("taskiq-redis", "redis", "coredis", "hiredis") if name in found and name != own]
    return f"{found[own]} ({', '.join(f'{name} {found[name]}' for name in others)})"


def distributions(home: Path, peer: str) -> dict[str, str]:
    """The version of everything that is installed for it, by name."""
    command = [program(home, peer, "python"), "-c", _VERSIONS]
    found: dict[str, str] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found
