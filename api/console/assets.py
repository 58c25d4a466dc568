"""/static: the style sheet and the scripts, under addresses that change with what is in them."""

import hashlib
from importlib.resources import files

import falcon

from .guard import VISITOR, open_to

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Assets:
    """All files, read once."""

    def __init__(self) -> None:
        folder = files(__package__).joinpath("static")
        self._files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
        self._tags = {name: hashlib.blake2b(data, digest_size=8).hexdigest() for name, data in self._files.items()}

    def address(self, name: str) -> str:
        """Its path, with its version."""
        return f"/static/{name}?v={self._tags[name]}"

    @open_to(VISITOR)
    def on_get(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """A file."""
        data = self._files.get(name)
        if data is None:
            raise falcon.HTTPNotFound
        response.etag = self._tags[name]
        is_pinned = request.get_param("v") == self._tags[name]
        response.set_header("Cache-Control", "public, max-age=31536000, immutable" if is_pinned else "no-cache")
        if any(known in ("*", self._tags[name]) for known in request.if_none_match or ()):
            response.status = 304
            return
        response.data = data
        response.content_type = f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8"

    on_head = on_get
