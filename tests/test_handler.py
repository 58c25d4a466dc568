"""JobLogHandler: what code logs while a job runs it goes to that job, and nothing else does."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from redisq import JobLogHandler, RedisQ
from redisq.claimed import Settlement
from redisq.worker.runner import Runner
from tests.worker.test_runner import claimed


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log, handler = logging.getLogger("shop"), JobLogHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    logging.getLogger("redisq").addHandler(handler)
    yield log
    log.removeHandler(handler)
    logging.getLogger("redisq").removeHandler(handler)


def test_a_record_goes_to_the_job_that_runs(log: logging.Logger) -> None:
    app = RedisQ("redis://127.0.0.1:1/0", patience=0.0)

    @app.task("sell")
    def sell(what: str) -> None:
        log.info("sold %s", what)
        log.debug("too fine")
        logging.getLogger("redisq.x").warning("of the library")

    log.info("before")
    runner = Runner(app, "w1")
    for number in range(2):
        job = claimed("sell", f"apple {number}", delivery=number)
        settlement = runner.run(job, runner.options(job))
        assert isinstance(settlement, Settlement)
        assert settlement.way == "s"
    log.info("after")
    told = [pages.unsent() for pages in app.settings.scribe.pages.values()]
    lines = [command[0][-1] for command in told if command]
    assert [line.rpartition(b",")[2] for line in lines] == [b'"INFO sold apple 0"]', b'"INFO sold apple 1"]']
    app.close()


def test_what_cannot_be_formatted_is_loggings_to_tell(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    app = RedisQ("redis://127.0.0.1:1/0", patience=0.0)

    class Broken(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            raise ZeroDivisionError

    log.handlers[0].setFormatter(Broken())

    @app.task("break")
    def breaks() -> int:
        log.info("fine")
        return 1

    runner, job = Runner(app, "w1"), claimed("break")
    assert runner.run(job, runner.options(job)).text == b"1"
    assert "Logging error" in capsys.readouterr().err
    app.close()
