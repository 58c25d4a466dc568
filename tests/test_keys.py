"""Names that become part of keys, and ids that name their queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisq import InvalidName, keys

names = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
local_ids = st.from_regex(r"[A-Za-z0-9_.:-]{1,128}", fullmatch=True)


@given(names, local_ids)
def test_a_full_id_comes_apart_as_it_was_put_together(queue: str, local_id: str) -> None:
    assert keys.FullId.parse(str(keys.FullId(queue, local_id))) == (queue, local_id)


@given(names, names)
def test_every_key_of_a_queue_has_its_name_as_the_one_hash_tag(namespace: str, queue: str) -> None:
    for key in [keys.queue_base(namespace, queue), keys.feed_base(keys.queue_base(namespace, queue), "billing")]:
        assert key[key.index("{") + 1 : key.index("}")] == queue
        assert key.count("{") == key.count("}") == 1
    assert "{" not in keys.queues(namespace)


@pytest.mark.parametrize(
    "name", ["", "a b", "a.b", "a:b", "{a}", "a" * 65, "ä", "a\n", "\n", "a\0", "٣", None, 7, b"a"]
)
def test_what_cannot_be_a_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidName) as caught:
        keys.check_name(name)
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["", "a", ".a", "a.", "high~3.a", "a b.c", "a.b c", "a.\n", "a" * 65 + ".b", None, 7])
def test_what_is_no_full_id_is_refused(text: object) -> None:
    with pytest.raises(InvalidName):
        keys.FullId.parse(text)


def test_an_id_may_hold_dots_and_colons() -> None:
    assert keys.FullId.parse("q.a.b:c.d") == ("q", "a.b:c.d")


@pytest.mark.parametrize("name", ["", "a\nb", "a\0", "x" * 257, "\ud800", None, 3])
def test_what_cannot_be_a_task_is_refused(name: object) -> None:
    with pytest.raises(InvalidName):
        keys.check_task(name)


def test_the_table_names_every_key_once() -> None:
    assert len(set(keys.NAMES.values())) == len(keys.NAMES)
    for name, value in keys.NAMES.items():
        assert keys.__doc__
        assert f"\n{value}" in keys.__doc__, f"{name} is not in the table"
