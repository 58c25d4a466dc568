-- What becomes of a job that its worker settles, by the letter of the way: a part of settle.lua. `f` begins with the
-- job's fields f, n, i, j. A way that fails, since a key is of a wrong type, may have written to the record, and nothing else.

-- Back to where jobs wait, by a call that may be sent again: `l` says which delivery did so.
local function back(id, key, delivery, ms, ...)
  if ms > 0 then schedule(q, id, now + ms) else redis.call('LLEN', q .. KEY.pending) end
  redis.call('HSET', key, 's', 'd', 'l', worker .. ':' .. delivery, ...)
  if ms > 0 then return end
  redis.call('HDEL', key, 's')
  ready[#ready + 1] = id
end

local ways = {
  s = function(id, key, f, _, text, ms)
    finish(q, now, id, ms, f, 's', text) -- first what may fail
    redis.call('HSET', key, 'b', '', 's', 's', 'r', text, 'z', now)
  end,
  f = function(id, key, f, _, text, _, trace)
    finish(q, now, id, false, f, 'f', text)
    redis.call('HSET', key, 's', 'f', 'z', now, 'x', text, failure(key, now, text, trace))
  end,
  c = function(id, _, f, _, text) end_cancelled(q, now, id, text, cancelled_ttl, f) end,
  r = function(id, key, f, delivery, text, ms, trace)
    local a, e, deadline = unpack(redis.call('HMGET', key, 'a', 'e', 'ex'))
    if is_over(deadline, e, now + ms) then
      end_cancelled(q, now, id, 'expired', cancelled_ttl, f)
      redis.call('HSET', key, failure(key, now, text, trace))
    else
      back(id, key, delivery, ms, 'x', text, 'a', (a or 0) + 1, failure(key, now, text, trace))
    end
  end,
  p = function(id, key, _, delivery, text, ms)
    back(id, key, delivery, ms, 'x', text, 'u', (redis.call('HGET', key, 'u') or 0) + 1)
  end,
  g = function(id, key, f, delivery)
    if not f[2] then return redis.call('UNLINK', key) end
    redis.call('HDEL', key, 'n')
    back(id, key, delivery, 0)
  end,
  l = function(id, key, _, delivery)
    redis.call('RPUSH', q .. KEY.pending, id)
    redis.call('HSET', key, 'l', worker .. ':' .. delivery)
    redis.call('HDEL', key, 's')
    wake(q)
  end,
}
