"""Finding the app that a command is to work for."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from importlib.metadata import entry_points
from types import ModuleType

from .app import RedisQ
from .errors import AppNotFound

GROUP = "redisq.apps"
#: The REST service's own app, for who has installed the service and named no other…
SERVICE_APP = "redisq_api.tasks:app"
#: … which this tells: the package `redisq_api` comes with the library, what it needs does not.
SERVICE_NEEDS = "falcon"


def load_app(spec: str | None = None) -> RedisQ:
    """The app at `module:attribute`, with the tasks of the modules that it includes; None for $REDISQ_APP, the one
    entry point in the group redisq.apps, the service's own.

    AppNotFound, with one line that says why.
    """
    spec = spec or os.environ.get("REDISQ_APP")
    if spec:
        return _load(spec)
    installed = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    if len(installed) > 1:
        names = ", ".join(f"{point.value} ({point.name})" for point in installed)
        raise AppNotFound(f"several apps are installed, say which with --app or $REDISQ_APP: {names}")
    if installed:
        return _load(installed[0].value)
    if importlib.util.find_spec(SERVICE_NEEDS) is None:
        raise AppNotFound("no app: name one with --app MODULE:ATTRIBUTE or $REDISQ_APP")
    return _load(SERVICE_APP)


def _load(spec: str) -> RedisQ:
    module_name, colon, attribute = spec.partition(":")
    if not (module_name and colon and attribute):
        raise AppNotFound(f"not of the form MODULE:ATTRIBUTE: {spec!r}")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # an installed command's path begins with its own folder, not with the user's
    app: object = _import(spec, module_name)
    for name in attribute.split("."):
        app = getattr(app, name, None)
    if not isinstance(app, RedisQ):
        raise AppNotFound(f"{spec} is {'not there' if app is None else f'a {type(app).__name__}, not a RedisQ'}")
    for name in app.include:
        _import(spec, name)
    return app


def _import(spec: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise AppNotFound(f"{spec}: importing {name} failed: {type(error).__name__}: {error}") from error
