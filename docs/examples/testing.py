"""Tests of code that enqueues, as `pytest testing.py` runs them, with `redisq_app = testing:app` in its settings.

Run as a program, it has pytest run them, and prints what became of each.
"""

import pytest

import redisq
from redisq.testing import assert_enqueued, eager, run_all

app = redisq.RedisQ("redis://production.example:6379/0")  # the tests never go there
sent = []


@app.task(backoff=60.0)
def send_mail(to, subject):
    if not sent and redisq.current_job().attempt == 1:
        raise OSError("the mail server is away")
    sent.append(to)
    return f"{subject}, {to}"


@app.task
def remind(to):
    redisq.current_job().enqueue(send_mail, to, subject="We miss you")


def sign_up(name):
    """What is tested: it knows nothing of tests."""
    send_mail.enqueue(f"{name}@example.org", subject="Welcome")
    remind.options(delay=86400.0).enqueue(f"{name}@example.org")


def test_what_is_enqueued(redisq_app):
    sign_up("ann")
    assert_enqueued(send_mail, args=("ann@example.org",), kwargs={"subject": "Welcome"}, count=1)
    assert_enqueued(remind)


def test_what_the_jobs_do(redisq_app):
    sign_up("bob")
    (job,) = run_all(redisq_app)  # tried again at once, not after a minute
    assert job.result == "Welcome, bob@example.org"
    assert [failed["error"] for failed in job.history] == ["OSError: the mail server is away"]


def test_what_comes_later(redisq_app):
    sign_up("eve")
    ran = run_all(redisq_app, scheduled=True)  # the reminder, and what it enqueues
    assert [job.task.rpartition(".")[2] for job in ran] == ["send_mail", "remind", "send_mail"]


def test_with_jobs_that_run_when_they_are_enqueued(redisq_app):
    with eager(redisq_app):
        assert send_mail.enqueue("zoe@example.org", "Hello").result == "Hello, zoe@example.org"


class Results:
    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.failed:
            print(f"{report.location[2]} {report.outcome} {report.longreprtext}".rstrip())


if __name__ == "__main__":
    settings = ["-c", "/dev/null", "-p", "no:cacheprovider", "-p", "no:terminal", "-o", "redisq_app=testing:app"]
    pytest.main([__file__, *settings], plugins=[Results()])
