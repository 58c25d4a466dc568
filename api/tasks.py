"""The service's own app, for who has not named one in $REDISQ_APP: one task that describes what it is given."""

import hashlib
import json
from typing import Any

import redisq

app = redisq.RedisQ()


@app.task(name="describe")
def describe(input_param: Any) -> dict[str, Any]:
    """Digests and counts of the input: a string as it is, anything else as its compact JSON."""
    text = (
        input_param
        if isinstance(input_param, str)
        else json.dumps(input_param, ensure_ascii=False, separators=(",", ":"))
    )
    data = text.encode("utf-8", "surrogatepass")
    return {
        "characters": len(text),
        "bytes": len(data),
        "words": len(text.split()),
        "lines": len(text.splitlines()),
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
