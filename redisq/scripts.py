"""The Lua scripts, one per transition of a job: read from lua/, put together, and named by their SHA-1.

A line `-- include: common take_back` is replaced by those files. `KEY.name` stands for a key's name
of keys.py. Nothing else is changed, so every file is plain Lua to an editor.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources

from .keys import NAMES

_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)
_KEY = re.compile(r"\bKEY\.(\w+)")


@cache
def _read(name: str) -> str:
    return resources.files("redisq.lua").joinpath(f"{name}.lua").read_text(encoding="utf-8")


class Script:
    """One script: `sha` to call it by, `source` to load it with."""

    __slots__ = ("name", "sha", "source")

    def __init__(self, name: str) -> None:
        text = _INCLUDE.sub(lambda match: "\n".join(map(_read, match[1].split())), _read(name))
        self.name = name
        self.source = _KEY.sub(lambda match: f"'{NAMES[match[1]]}'", text)
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


ENQUEUE = Script("enqueue")
ENQUEUE_ONCE = Script("enqueue_once")
ENQUEUE_AFTER = Script("enqueue_after")
FLOW = Script("flow")
LINK = Script("link")
ARRIVE = Script("arrive")
REGISTER = Script("register")
CLAIM = Script("claim")
KEEP = Script("keep")
SETTLE = Script("settle")
RENEW = Script("renew")
GIVE_BACK = Script("give_back")
RELEASE = Script("release")
CANCEL = Script("cancel")
REVIVE = Script("revive")
DELETE = Script("delete")
PURGE = Script("purge")
PAUSE = Script("pause")
LIMIT = Script("limit")
AWAIT = Script("await")
WATCH = Script("watch")
TOLD = Script("told")
COUNTS = Script("counts")
SURVEY = Script("survey")
WORKERS = Script("workers")
PROGRESS = Script("progress")
LOG = Script("log")
MEND = Script("mend")
DECLARE = Script("declare")
TICK = Script("tick")
HOLD = Script("hold")
ORDER = Script("order")

BY_SHA = {script.sha: script for script in tuple(globals().values()) if isinstance(script, Script)}
