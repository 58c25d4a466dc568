"""The protocol against a model of it, and through every loss of a round trip."""

import pytest

for module in ("machine", "working", "comparing", "life", "lives"):
    pytest.register_assert_rewrite(f"tests.model.{module}")
