"""Finding an app, and the modules that have its tasks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from redisq import AppNotFound, InvalidOption, RedisQ, load_app

APP = 'import redisq\n\napp = redisq.RedisQ("redis://h", include=["{name}.tasks", "{name}.mails"])\n'
TASKS = "from {name} import app\n\n\n@app.task\ndef {task}(): ...\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a package, another for each test, whose app has its tasks in two modules that import the app."""
    name = f"shop_{request.node.name.replace('[', '_').replace(']', '')}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(APP.format(name=name))
    for module in ("tasks", "mails"):
        (tmp_path / name / f"{module}.py").write_text(TASKS.format(name=name, task=f"from_{module}"))
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_the_modules_that_an_app_includes_are_imported_with_it(shop: str) -> None:
    app = load_app(f"{shop}:app")
    assert set(app.tasks) == {f"{shop}.tasks.from_tasks", f"{shop}.mails.from_mails"}
    assert load_app(f"{shop}:app") is app
    assert set(app.replace("redis://other").tasks) == set(app.tasks)


def test_who_begins_with_a_module_of_tasks_meets_no_cycle(shop: str, tmp_path: Path) -> None:
    code = f"import {shop}.mails as mails, {shop}; print(*{shop}.app.tasks)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{shop}.mails.from_mails\n"


def test_a_module_that_cannot_be_imported_is_told_in_one_line(shop: str, tmp_path: Path) -> None:
    (tmp_path / shop / "mails.py").write_text("import no_such_module")
    with pytest.raises(AppNotFound, match=f"{shop}:app: importing {shop}.mails failed: ModuleNotFoundError: No module"):
        load_app(f"{shop}:app")


@pytest.mark.parametrize("include", ["shop.tasks", [""], [7]])
def test_what_are_no_names_is_refused(include: list[str]) -> None:
    with pytest.raises(InvalidOption, match="include: a list of modules' names"):
        RedisQ("redis://h", include=include)
