"""All pages of the console: their paths, and the navigation that leads to them."""

from typing import Any

import falcon

import redisq

from .. import problems
from ..auth import Gate
from ..database import Database
from ..desk import Desk
from ..docs import Document
from ..jobs import Jobs
from ..offer import Offer
from ..orders import Orders
from ..posting import Posting
from ..sessions import Sessions
from . import admin
from .assets import Assets
from .cookies import Cookies
from .creation import Creation
from .entry import Entry
from .guide import Guide
from .people import add as add_people
from .site import Place, Site
from .tasks import Tasks
from .tokens import Tokens

_USER_PLACES = (
    Place("", "My tasks", "/", "list"),
    Place("", "New task", "/tasks/new", "plus"),
    Place("", "Tokens", "/tokens", "key"),
    Place("", "Documentation", "/docs", "book"),
)


def add(
    app: Any,
    *,
    database: Database,
    sessions: Sessions,
    cookies: Cookies,
    gate: Gate,
    desk: Desk,
    jobs: Jobs,
    posting: Posting,
    offer: Offer,
    orders: Orders,
    document: Document,
    queue_app: redisq.RedisQ,
    is_embedded: bool = False,
) -> None:
    """Adds all to an app. `is_embedded`: an app around it knows who is logged in, and tokens are worth nothing."""
    assets = Assets()
    site = Site(sessions, assets, offer=offer, is_embedded=is_embedded)
    site.places += [place for place in _USER_PLACES if not is_embedded or place.path != "/tokens"]
    tasks = Tasks(site, database, desk, jobs)
    guide = Guide(site, gate, database, document, offer, tasks)
    app.add_route("/", guide)
    app.add_route("/docs", guide, suffix="docs")
    app.add_route("/static/{name}", assets)
    app.add_route("/tasks/new", Creation(site, database, posting, offer, orders))
    app.add_route("/tasks/{task_id}", tasks, suffix="one")
    app.add_route("/tasks/{task_id}/cancel", tasks, suffix="cancel")
    app.add_route("/tasks/{task_id}/retry", tasks, suffix="retry")
    app.add_route("/tasks/{task_id}/delete", tasks, suffix="delete")
    if not is_embedded:
        entry, tokens = Entry(site, gate, cookies), Tokens(site, database)
        app.add_route("/login", entry, suffix="login")
        app.add_route("/logout", entry, suffix="logout")
        app.add_route("/tokens", tokens)
        app.add_route("/tokens/{token_id}/revoke", tokens, suffix="revoke")

    admin.add(app, site, database, queue_app)
    add_people(app, site, database, queue_app)

    def serialize(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
        if not site.serialize(request, response, error):
            problems.serialize(request, response, error)

    app.set_error_serializer(serialize)
