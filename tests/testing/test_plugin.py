"""The plugin, as pytest loads it in a user's project: on a real server, and without one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

APP = """
import redisq

app = redisq.RedisQ("redis://127.0.0.1:1/0", patience=0.1)

@app.task
def add(a, b):
    return a + b
"""

TESTS = """
import os
import shop
from redisq.testing import assert_enqueued, eager, enqueued, run_all

def test_first(redisq_app, redisq_server):
    assert redisq_app is shop.app
    assert redisq_server.url.startswith("unix://")
    shop.add.enqueue(1, b=2)
    assert_enqueued(shop.add, args=(1,), kwargs={"b": 2}, count=1)
    assert [job.result for job in run_all(redisq_app)] == [3]

def test_second_finds_nothing_of_the_first(redisq_app):
    assert enqueued(redisq_app) == []
    with eager(redisq_app):
        assert shop.add.enqueue(2, 3).result == 5

def test_third_is_not_connected(redisq_server):
    assert shop.app.settings.server.url == "redis://127.0.0.1:1/0"

def test_an_app_of_ones_own(redisq_connect):
    import redisq
    app = redisq_connect(redisq.RedisQ("redis://127.0.0.1:1/0", namespace="mine"))
    app.queue("low").enqueue("mail")
    assert_enqueued("mail")

def test_fails_readably(redisq_app):
    shop.add.enqueue(1, 1)
    assert_enqueued(shop.add, args=(9, 9))
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("REDISQ_APP", raising=False)
    pytester.makepyfile(shop=APP)
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\nredisq_app = "shop:app"\nfilterwarnings = ["error"]\n')
    return pytester


def test_a_project_with_an_app_at_the_top_of_a_module(project: pytest.Pytester) -> None:
    project.makepyfile(TESTS)
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: expected *.add(9, 9, [*][*]...) at least once, found 0",
            "E*enqueued (1):",
            "E*default: *.add(1, 1) queued",
        ]
    )


def test_without_the_extra_only_who_asks_for_a_server_is_told(project: pytest.Pytester) -> None:
    project.makeconftest("import redisq.embedded\nredisq.embedded.find_spec = lambda name: None\n")
    project.makepyfile("def test_plain(): pass\ndef test_asks(redisq_app): pass")
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=1)
    said = "redisq_server: the embedded server is not installed: pip install 'redisq-jobs*embedded*'"
    result.stdout.fnmatch_lines([said])


def test_an_app_that_is_not_there_is_told(project: pytest.Pytester) -> None:
    project.makepyprojecttoml('[tool.pytest.ini_options]\nredisq_app = "shop:nothing"\n')
    project.makepyfile("def test_asks(redisq_app): pass")
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["redisq_app: shop:nothing is not there (name it in pytest's configuration: *"])


def test_a_run_that_has_no_use_for_it_does_not_import_redisq(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_light():
            assert "pytest_redisq" in sys.modules
            assert "redisq" not in sys.modules
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_module_of_the_plugin_imports_nothing_but_pytest() -> None:
    code = (
        "import json, sys, pytest, tempfile, contextlib\nbefore = set(sys.modules)\n"
        "import pytest_redisq\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["pytest_redisq"]
