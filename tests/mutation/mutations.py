"""The breaks, as data: each is a few edits of the library's files, and names the checks that must see it."""

from __future__ import annotations

from typing import NamedTuple

#: What a mutation is run against: a name, and what pytest is given.
CHECKS = {
    "model": "tests/model/test_protocol.py",
    "crashes": "tests/model/test_crashes.py",
    "suspects": "tests/test_suspects.py",
    "workflows": "tests/model/test_workflows.py",
}


class Edit(NamedTuple):
    """In a file of the package, `old`, which stands there once, becomes `new`."""

    file: str
    old: str
    new: str


class Mutation(NamedTuple):
    """`seen_by`: the checks that turn red, the quickest first."""

    name: str
    edits: tuple[Edit, ...]
    seen_by: tuple[str, ...]


def one(name: str, file: str, old: str, new: str, seen_by: str = "model") -> Mutation:
    return Mutation(name, (Edit(file, old, new),), tuple(seen_by.split()))


MUTATIONS = [
    # Settling
    one(
        "settle does not ask whether the worker still holds the job",
        "lua/settle.lua",
        "if status == 'r' and ours then",
        "if status == 'r' then",
        "model crashes",
    ),
    one(
        "settle does not ask for the delivery",
        "lua/settle.lua",
        "f[6] == worker and f[7] == delivery",
        "f[6] == worker",
        "model crashes",
    ),
    one(
        "settle does not ask for the worker",
        "lua/settle.lua",
        "f[6] == worker and f[7] == delivery",
        "f[7] == delivery",
    ),
    one(
        "a job that is put back forgets by whom",
        "lua/ways.lua",
        "'d', 'l', worker .. ':' .. delivery, ...",
        "'d', ...",
        "model crashes",
    ),
    one(
        "a released job goes to the tail",
        "lua/ways.lua",
        "redis.call('RPUSH', q .. KEY.pending, id)",
        "redis.call('LPUSH', q .. KEY.pending, id)",
        "model",
    ),
    one("a settle overlooks a cancel", "lua/settle.lua", "if f[8] then way", "if false then way", "model crashes"),
    one(
        "follow-ups are enqueued by a settle that is refused",
        "lua/settle.lua",
        "  if status == 'r' and ours then",
        "  if follows then follow(first, last) end if status == 'r' and ours then",
        "model crashes",
    ),
    one(
        "what was settled stays in the worker's list",
        "lua/settle.lua",
        "redis.call('LTRIM', claimed, 0, -1 - #settled)",
        "redis.call('LTRIM', claimed, 0, -#settled)",
    ),
    one(
        "settle cuts off the end of the list, whatever stands there",
        "lua/settle.lua",
        "if last[#settled + 1 - i] ~= id then",
        "if false then",
    ),
    # Claiming
    Mutation(
        "a claim is two commands",
        (
            Edit(
                "lua/claim.lua",
                "if #mine > 0 then redis.call('LPUSH', q .. KEY.claimed .. worker, unpack(mine)) end",
                "",
            ),
            Edit(
                "claimer.py",
                "        return answers, jobs\n",
                "        for job in jobs:\n"
                "            self.link.round_trip([('LPUSH', f'{job.source.base}claimed:{self.worker}', job.id)])\n"
                "        return answers, jobs\n",
            ),
        ),
        ("model", "crashes"),
    ),
    one(
        "claims are not numbered",
        "claimer.py",
        "if budget is not None and (self._answered or self.posted):",
        "if budget is not None:",
        "model crashes",
    ),
    one(
        "the same claim moves jobs once more",
        "lua/claim.lua",
        "if number > tonumber(last) and",
        "if number >= tonumber(last) and",
        "model crashes",
    ),
    one("a late claim moves jobs", "lua/claim.lua", "number < tonumber(last) and 'stale'", "false and 'stale'"),
    one(
        "a worker that is not registered may claim",
        "lua/claim.lua",
        "(call or ''):match",
        "(call or '0:3000:'):match",
        "model",
    ),
    one(
        "a claim on a paused queue takes jobs",
        "lua/claim.lua",
        "redis.call('HMGET', q .. KEY.state, 'paused', 'limits')",
        "redis.call('HMGET', q .. KEY.state, 'stopped', 'limits')",
    ),
    one(
        "a claim that leaves jobs puts no token back",
        "lua/claim.lua",
        "if claimable then wake(q) else",
        "if claimable then else",
    ),
    one(
        "a suspect is claimed beside a job of another queue",
        "lua/claim.lua",
        "empty = empty and #jobs == 0",
        "empty = empty",
        "suspects",
    ),
    one(
        "a suspect is claimed by a worker that is busy",
        "lua/claim.lua",
        "if empty and mine == 0",
        "if mine == 0",
        "model suspects",
    ),
    # Leases
    one(
        "a worker is reaped without having been marked",
        "lua/reap.lua",
        "if now - mark >= lease / 3 then",
        "if true then",
    ),
    Mutation(
        "a worker is reaped by the age of its oldest job",
        (
            Edit(
                "lua/reap.lua",
                "redis.call('ZRANGEBYSCORE', q .. KEY.workers, '-inf', now, 'LIMIT', 0, 20)",
                "redis.call('ZRANGE', q .. KEY.workers, 0, 19)",
            ),
            Edit(
                "lua/reap.lua",
                "mark = before and before <= now and math.min(now, before + math.floor(uncounted)) or now",
                "local oldest = redis.call('LINDEX', q .. KEY.claimed .. worker, -1) or ''\n"
                "mark = tonumber(redis.call('HGET', q .. KEY.job .. oldest, 'e')) or now",
            ),
        ),
        ("model",),
    ),
    one(
        "a mark from before the clock stepped back counts",
        "lua/reap.lua",
        "before and before <= now and math.min(now, before + math.floor(uncounted)) or now",
        "before and before + math.floor(uncounted) or now",
    ),
    one(
        "the time in which nobody looked ages a mark",
        "lua/reap.lua",
        "before + math.floor(uncounted)",
        "before",
    ),
    one("a lease from before the clock stepped back stays", "lua/keep.lua", "  cut_lease(q, now)\n", ""),
    one("a renewal does not clear the mark", "lua/renew.lua", "if call:sub(-1) ~= ':' then", "if false then"),
    one(
        "a claim does not clear the mark",
        "lua/claim.lua",
        "worker, number .. ':' .. lease .. ':')",
        "worker, (call:gsub('^%d+', tostring(number))))",
    ),
    # Taking back
    one(
        "who was taken from stays registered",
        "lua/take_back.lua",
        "  redis.call('ZREM', q .. KEY.workers, worker)\n  redis.call('HDEL', q .. KEY.calls, worker)\n",
        "",
        "model",
    ),
    one(
        "a crash is counted for all that the worker held",
        "lua/take_back.lua",
        "if id == blamed then redis.call",
        "if blamed ~= '' then redis.call",
    ),
    one("a reaper blames the newest of several", "lua/reap.lua", "#ids == 1 and ids[1]", "ids[1]"),
    one("a crash is never counted", "lua/take_back.lua", "if id == blamed then redis.call", "if false then redis.call"),
    one(
        "a suspect of the second time waits among the others",
        "lua/take_back.lua",
        "(suspicions > 1 and KEY.suspects or KEY.pending)",
        "KEY.pending",
    ),
    one(
        "what is taken back goes to the tail",
        "lua/take_back.lua",
        "redis.call('RPUSH', q .. (",
        "redis.call('LPUSH', q .. (",
    ),
    one("taking back overlooks a cancel", "lua/take_back.lua", "      if f[7] then\n", "      if false then\n"),
    one("what is taken back leaves no token", "lua/take_back.lua", "  if #ids > 0 then wake(q) end\n", ""),
    # Coming in
    one(
        "an enqueue that is sent again makes a second job",
        "lua/put.lua",
        "if redis.call('EXISTS', key) == 1 then",
        "if false then",
        "model",
    ),
    one("an enqueue leaves no token", "lua/put.lua", "  wake(q)\n", ""),
    one(
        "an earlier due time leaves no token",
        "lua/common.lua",
        "[1] == id then wake(q) end",
        "[1] == id then return end",
    ),
    one(
        "a promoted job stays scheduled",
        "lua/promote.lua",
        "  redis.call('ZREM', q .. KEY.scheduled, unpack(due))\n",
        "",
        "model crashes",
    ),
    one(
        "a follow-up is taken from the list before it is enqueued",
        "forward.py",
        "        refused = _WAYS[what](",
        "        settings.server.call([('LREM', key, 1, data)], settings.patience)\n        refused = _WAYS[what](",
        "crashes",
    ),
    one(
        "a point in time is taken for a delay",
        "lua/common.lua",
        "return moment < 0 and -moment or since + moment end",
        "return since + math.abs(moment) end",
    ),
    # Deadlines and failures
    one(
        "a claim overlooks a deadline",
        "lua/claim.lua",
        "is_over(job[12], job[7], now) and 1",
        "false and 1",
    ),
    one("a retry overlooks a deadline", "lua/ways.lua", "if is_over(deadline, e, now + ms)", "if false"),
    one("a failed attempt is not noted", "lua/failure.lua", "return 'tb', trace, 'hi', lines", "return 'tb', trace"),
    one("a revived job keeps its deadline", "lua/revive.lua", "'n', 'ex', ", "'n', "),
    one("a revived job keeps its failed attempts", "lua/revive.lua", "'ex', 'hi', ", "'ex', "),
    # Ending
    one("nobody is told of an end", "lua/finish.lua", "    tell(q, now, id, feed)\n", "", "model crashes"),
    one(
        "a feed is told of an end although it has the entry",
        "lua/finish.lua",
        "if redis.call('HSETNX', entry, 'v', 1) == 0 then",
        "if false then",
        "model crashes",
    ),
    one(
        "a second end is not told to a reader of the first",
        "lua/finish.lua",
        "    if redis.call('HGET', entry, 's') == 'r' then redis.call('HSET', entry, 'n', 1) end\n",
        "",
    ),
    one(
        "a record expires before its feed was told",
        "lua/finish.lua",
        "-- not told yet: no TTL until the entry is acknowledged",
        "if ttl then expire(key, now, ttl, named) end",
    ),
    one(
        "a record whose feed was told never expires",
        "lua/told.lua",
        "and not dead then\n",
        "and false then\n",
        "model crashes",
    ),
    one("an ended job is trimmed before its feed was told", "lua/finish.lua", "if z and (g or now", "if z and (now"),
    one(
        "an ended job is trimmed before its tombstone may go",
        "lua/finish.lua",
        "if z and (g or now - z < tombstone(named)) then return end",
        "if z and g then return end",
    ),
    one(
        "a dead letter is trimmed before its feed was told",
        "lua/keep.lua",
        "if not untold then redis",
        "if true then redis",
    ),
    one("a deleted job is gone before its feed was told", "lua/delete.lua", "  untold = f[1]\n", "  untold = nil\n"),
    one(
        "purge overlooks suspects",
        "lua/purge.lua",
        "if seen < 500 then cancel(redis.call('RPOP', q .. KEY.suspects, 500)) end",
        "",
    ),
    # Workflows
    one(
        "a job that ends tells nobody who waits for it",
        "lua/hooks.lua",
        "if hooks.a or hooks.n or hooks.w then tell",
        "if false then tell",
        "workflows",
    ),
    one(
        "a job runs when the first of its parents has succeeded",
        "lua/next.lua",
        "elseif mode == 'f' or left == 0 then",
        "else",
        "workflows",
    ),
    one(
        "a dead parent counts as one that has succeeded",
        "lua/next.lua",
        "or how == 'f' and mode == 's' then return 0",
        "then return 0",
        "workflows",
    ),
    one(
        "a parent that has ended is waited for",
        "lua/parents.lua",
        "if status == 's' then return 's', result or '' end",
        "",
        "workflows",
    ),
    one(
        "a cancelled parent is waited for",
        "lua/next.lua",
        "if mode == 's' and how == 'c' then",
        "if false then",
        "workflows",
    ),
    one(
        "a dead letter that is deleted is waited for",
        "lua/delete.lua",
        "elseif status == 'f' and f[4] then",
        "elseif false then",
        "workflows",
    ),
    one(
        "those who wait in another queue are not told",
        "lua/next.lua",
        "send(q, queue, 'arrive', child_id, me, how)",
        "local _ = child_id",
        "workflows",
    ),
    one(
        "a parent in another queue does not learn who waits for it",
        "lua/parents.lua",
        "send(q, queue, 'link', parent_id, me)",
        "local _ = parent_id",
        "workflows",
    ),
    one(
        "a job is not given what its parents returned",
        "lua/next.lua",
        "number .. ':' .. told .. text",
        "number .. ':' .. told .. 'null'",
        "workflows",
    ),
]
