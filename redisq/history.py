"""The failed attempts of a job, as failure.lua keeps them: a line of JSON for each, [number, started, ended, error]."""

from __future__ import annotations

from typing import Any

import msgspec

from .times import as_datetime

_decoder = msgspec.json.Decoder(tuple[int, float, float, str])


def read(lines: bytes) -> list[dict[str, Any]]:
    """{"attempt", "started_at", "ended_at", "error"} of each, the times aware. What cannot be read is left out."""
    attempts = []
    for line in lines.split(b"\n"):
        try:
            number, started, ended, error = _decoder.decode(line.decode("utf-8", "replace"))
            times = {"started_at": as_datetime(started), "ended_at": as_datetime(ended)}
        except (msgspec.MsgspecError, ValueError, OverflowError, OSError):
            continue
        attempts.append({"attempt": number, **times, "error": error})
    return attempts
