"""How a command logs: text, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import re
import threading

#: Whose messages are an event and key=value pairs.
_OURS = {"redisq", "redisq_api"}
_PAIR = re.compile(r"(\w+)=((?<=error=).*|[^\s=]\S*)", re.DOTALL)


class JSONFormatter(logging.Formatter):
    """One JSON object a line, in ASCII: ts (seconds), level, logger, pid, event, message; the key=value pairs of a
    message of ours, of which an error comes last and may have any words; the traceback, if any.

    The event of what others log is "log".
    """

    def format(self, record: logging.LogRecord) -> str:
        message = _message(record)
        ours = record.name.partition(".")[0] in _OURS
        line: dict[str, object] = {
            "ts": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "event": message.partition(" ")[0] if ours else "log",
            "message": message,
        }
        if ours:
            fixed = {*line, "traceback", "stack"}
            line |= {key: value.rstrip(":") for key, value in _PAIR.findall(message) if key not in fixed}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line)


def log_to_stderr(log_format: str, level: str) -> None:
    """Everything that is logged, and what Python would print otherwise: warnings, and what ends a thread."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JSONFormatter() if log_format == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.captureWarnings(True)
    threading.excepthook = _log_end_of_thread


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # arguments that do not fit: logging would print a traceback instead
        return f"{record.msg!r} % {record.args!r}: {error!r}"


def _log_end_of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit or args.exc_value is None:
        return
    name = args.thread.name if args.thread else "?"
    exc_info = (args.exc_type, args.exc_value, args.exc_traceback)
    logging.getLogger(__name__).error("thread.failed thread=%s", name, exc_info=exc_info)
