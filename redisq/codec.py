"""Arguments and results as JSON: the one format on the wire. Nothing that is decoded can name code."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from .errors import NotSerializable, PayloadTooLarge

#: The most bytes that the arguments or the result of a job may have.
MAX_PAYLOAD = 4 * 1024 * 1024


def as_text(data: bytes) -> str:
    """Bytes that may be anything: what is no UTF-8 is shown by its escapes."""
    return data.decode("utf-8", "backslashreplace")


class Codec(Protocol):
    """A JSON value to bytes and back. `encode` raises NotSerializable or PayloadTooLarge, `decode` ValueError."""

    def encode(self, value: Any) -> bytes: ...

    def decode(self, data: bytes) -> Any: ...


class JSON:
    """The default codec: msgspec's JSON.

    What JSON has no form for comes back as something else: a tuple as a list, integer keys and dates as strings, NaN as
    None.
    """

    def __init__(self, max_bytes: int = MAX_PAYLOAD) -> None:
        self._max_bytes = max_bytes
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder()

    def encode(self, value: Any) -> bytes:
        try:
            data = self._encoder.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise NotSerializable(f"not a JSON value: {error}") from error
        if len(data) > self._max_bytes:
            raise PayloadTooLarge(f"{len(data)} bytes of JSON; at most {self._max_bytes} are allowed")
        return data

    def decode(self, data: bytes) -> Any:
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"not JSON: {error}") from error
