"""Users of the service in a fault run: POSTs at a steady rate, each sent again until it is accepted."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

LOGIN = "faults:faults"
_TIMEOUT = 60.0


@dataclass
class Posted:
    """What the service has answered. `wrong`: answers that it must not give, with what they were."""

    statuses: Counter[str] = field(default_factory=Counter)
    accepted: dict[str, str] = field(default_factory=dict)  # the task's id by the key of its input
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Posters:
    """`count` tasks, `rate` a second, by so many threads; a POST that finds nobody free is late, and is sent."""

    def __init__(self, port: int, count: int, rate: float, threads: int = 24) -> None:
        self.posted = Posted()
        self._port = port
        self._count = count
        self._rate = rate
        self._lock = threading.Lock()
        self._next = 0
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    @property
    def is_done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while True:
            with self._lock:
                n, self._next = self._next, self._next + 1
            if n >= self._count:
                return
            time.sleep(max(0.0, self._began + n / self._rate - time.monotonic()))
            self._post(f"k{n}")

    def _post(self, key: str) -> None:
        """Until it is accepted, or answered with something that no time will change."""
        while True:
            began = time.monotonic()
            try:
                status, retry_after, body = self._send(key)
            except (OSError, http.client.HTTPException) as error:
                self._note("no answer", began, f"{key}: {error!r}")
                time.sleep(0.5)
                continue
            if status == 202:
                task = json.loads(body)
                with self._lock:
                    self.posted.accepted[key] = task["id"]
                self._note(f"202 {task['status']}", began)
                return
            if status != 503 or retry_after is None:
                self._note(str(status), began, f"{key}: {status} {body[:200]!r}")
                return
            self._note("503", began)
            time.sleep(float(retry_after))

    def ask(self, path: str) -> int:
        """The status of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def _send(self, key: str) -> tuple[int, str | None, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
        headers = {
            "Authorization": "Basic " + base64.b64encode(LOGIN.encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": key,
        }
        try:
            connection.request("POST", "/api/v1/task", f"input_param={key}", headers)
            answer = connection.getresponse()
            return answer.status, answer.headers["Retry-After"], answer.read()
        finally:
            connection.close()

    def _note(self, what: str, began: float, wrong: str | None = None) -> None:
        with self._lock:
            self.posted.statuses[what] += 1
            self.posted.seconds.append(time.monotonic() - began)
            if wrong is not None:
                self.posted.wrong.append(wrong)
