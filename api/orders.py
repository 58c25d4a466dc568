"""From the request of a POST to the order that it is, by all rules that can be checked without the database."""

import falcon

from . import bodies, forms
from .bodies import Body
from .embedding import BeforePost, outer
from .forms import Order
from .offer import Offer
from .users import User
from .webhooks.addresses import Reach


class Orders:
    """Reads them."""

    def __init__(self, offer: Offer, reach: Reach, max_body: int, before_post: BeforePost) -> None:
        """`reach`: where a callback may go. `max_body`: bytes. `before_post` has the last word: see embedding.py."""
        self._offer = offer
        self._reach = reach
        self._max_body = max_body
        self._before_post = before_post

    def read(self, request: falcon.Request, user: User) -> tuple[Order, Body]:
        """The order, and the body that it was in; raises the Problem for whatever is wrong with it."""
        body = bodies.read(request, self._max_body)
        return self.of(request, user, body), body

    def of(self, request: falcon.Request, user: User, body: Body) -> Order:
        """The order in a body that was read, or made, already."""
        order = forms.parse(body, self._offer, self._reach)
        return self._before_post(outer(request), user.name, order)
