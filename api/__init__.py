"""The REST service of redisq: `gunicorn 'redisq_api:create_app()'`.

Importing this package imports nothing else, so that a worker which runs the tasks of `redisq_api.tasks` loads no web
framework and no database.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app
    from .embedding import mount

__all__ = ["create_app", "mount"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import app, embedding

    return app.create_app if name == "create_app" else embedding.mount
