"""The real side of the model: an app, its workers, and all that stands in Redis, read at one moment."""

from __future__ import annotations

from typing import Any

import redis

from redisq import RedisQ, keys
from redisq.claimed import Source
from redisq.claimer import Claimer, registration
from redisq.settings import Retention

from .clock import KEY, Clock
from .expected import Queue
from .line import Line
from .records import DEAD, DEAD_TTL, ENDED, LEASE

QUEUES = ("high", "low")
FEED = "news"

_DUMP = """
local function read(key, kind)
  if kind == 'list' then return redis.call('LRANGE', key, 0, -1) end
  if kind == 'zset' then return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  if kind == 'hash' then return redis.call('HGETALL', key) end
  if kind == 'set' then return redis.call('SMEMBERS', key) end
  return redis.call('GET', key)
end
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  out[#out + 1] = { key, kind, redis.call('PTTL', key), read(key, kind) }
end
return out
"""


class Worker:
    """A worker, and what the model knows of its own memory.

    `held`: (base, id) -> delivery, of what it was told that it holds. `answered`: its last claim was.
    """

    def __init__(self, world: World, name: str, bases: list[str]) -> None:
        limit = {} if bases[0] in world.bases else {"crash_limit": 0}
        names = {world.base_of(name): name for name in QUEUES} | {world.feed_base_of(name): name for name in QUEUES}
        self.name = name
        self.bases = bases
        self.sources = [Source(names[base], base, **limit) for base in bases]
        self.stopping = False
        self.claimer = Claimer(world.app.settings, self.sources, name, lambda: self.stopping)
        self.number = 0
        self.answered = True
        self.held: dict[tuple[str, str], int] = {}
        world.call(registration(world.app.settings, self.sources, name))


class World:
    """An app on an emptied server, beside the queues that the model knows."""

    def __init__(self, url: str, client: redis.Redis, line: Line) -> None:
        client.flushall()
        self.client = client
        self.line = line
        self.clock = Clock(client)
        retention = Retention(ended=ENDED, dead=DEAD, dead_ttl=DEAD_TTL / 1000)
        self.app = RedisQ(url, lease=LEASE / 1000, retention=retention)
        self.bases = [self.base_of(name) for name in QUEUES]
        self.queues: dict[str, Queue] = {}
        for name in QUEUES:
            feed = Queue(self.feed_base_of(name), lambda: self.clock.now)
            self.queues[feed.base] = feed
            self.queues[self.base_of(name)] = Queue(self.base_of(name), lambda: self.clock.now, feed)

    def base_of(self, name: str) -> str:
        return keys.queue_base("redisq", name)

    def feed_base_of(self, name: str) -> str:
        return keys.feed_base(self.base_of(name), FEED)

    def call(self, commands: Any) -> list[Any]:
        return self.app.settings.server.call(commands, 1.0)

    def dump(self) -> dict[str, tuple[str, int, Any]]:
        """Every key but the clock: its type, its TTL in ms, what it holds."""
        rows = self.client.eval(_DUMP, 0)
        return {key.decode(): (kind.decode(), ttl, value) for key, kind, ttl, value in rows if key.decode() != KEY}

    def close(self) -> None:
        self.app.close()
