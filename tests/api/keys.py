"""For Schemathesis: an Idempotency-Key is a new one for each request, as it is among clients who know what it is for.

Otherwise "x" comes again with another body, which is valid by itself and refused by right.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

import schemathesis
from redisq_api.idempotency import KEY

_numbers = itertools.count()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Makes a key that is one different from all before; what is none is sent as it is."""
    key = (case.headers or {}).get(KEY.name)
    if isinstance(key, str) and re.fullmatch(KEY.schema["pattern"], key) and len(key) <= 200:
        case.headers[KEY.name] = f"{key}-{next(_numbers)}"
