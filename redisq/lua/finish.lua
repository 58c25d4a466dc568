-- What is common to all ways in which a job ends. The caller has written how; `f` begins with the job's fields f, n, i,
-- j: its feed, whether somebody waits for it, whether its caller made the id, what hangs on it.
local ended = {}

-- How long the record of an ended job stays at least, whatever its result's TTL, so that its id is known when it is
-- sent again: ten minutes if the caller made the id (field i), a minute if the library did.
local function tombstone(named) return named and 600000 or 60000 end

local function expire(key, now, ttl, named)
  if ttl < tombstone(named) then redis.call('HSET', key, 'y', now + ttl) end
  redis.call('PEXPIRE', key, math.max(ttl, tombstone(named)))
end

-- Leaves an entry in a feed, a queue with an empty record per entry. If a reader has the entry of an earlier end of this
-- job (it was revived), `n` says that the entry is to be read once more.
local function tell(q, now, id, feed)
  local base = q .. KEY.feed .. feed .. ':'
  local entry = base .. KEY.job .. id
  if redis.call('HSETNX', entry, 'v', 1) == 0 then
    if redis.call('HGET', entry, 's') == 'r' then redis.call('HSET', entry, 'n', 1) end
    return
  end
  redis.call('HSET', entry, 'e', now)
  redis.call('LPUSH', base .. KEY.pending, id)
  wake(base)
end

-- waited: by commas, 1 for the token of this job, and mailboxes, which get its id; see await.lua and watch.lua
local function tell_who_waits(q, id, waited)
  for name in waited:gmatch('[^,]+') do
    local done = q .. KEY.done .. (name == '1' and id or name)
    redis.call('LPUSH', done, id)
    redis.call('PEXPIRE', done, 10000)
  end
end

-- ttl: how long to keep the record, in ms; false for the dead letters, which are a place. how, text: for run_hooks().
local function finish(q, now, id, ttl, f, how, text)
  local key, feed, waited, named = q .. KEY.job .. id, f[1], f[2], f[3]
  local logged = f[4] and run_hooks(q, now, id, f[4], how, text, ttl)
  if ttl then ended[#ended + 1] = id else redis.call('ZADD', q .. KEY.dead, now, id) end
  if feed then
    redis.call('HSET', key, 'g', ttl or 0) -- not told yet: no TTL until the entry is acknowledged
    tell(q, now, id, feed)
  elseif ttl then
    expire(key, now, ttl, named)
    if logged then redis.call('PEXPIRE', q .. KEY.log .. id, ttl) end
  end
  if waited then tell_who_waits(q, id, waited) end
end

local function end_cancelled(q, now, id, why, ttl, f)
  redis.call('HSET', q .. KEY.job .. id, 's', 'c', 'x', why, 'z', now)
  finish(q, now, id, ttl, f, 'c', why)
end

-- The same, for a job that waits, which leaves its place.
local function cancel_waiting(q, now, id, why, ttl, f)
  local _ = redis.call('ZREM', q .. KEY.scheduled, id) == 1
    or redis.call('LREM', q .. KEY.pending, 1, id) == 1
    or redis.call('LREM', q .. KEY.suspects, 1, id)
  end_cancelled(q, now, id, why, ttl, f)
end

-- Lists what finish() ended, and forgets the oldest beyond `most`, two for each new one, once their tombstones may go.
local function list_ended(q, now, most)
  if #ended == 0 then return end
  local length
  for i = 1, #ended, 5000 do length = redis.call('LPUSH', q .. KEY.ended, unpack(ended, i, math.min(i + 4999, #ended))) end
  for _ = 1, math.min(length - most, 2 * #ended) do
    local id = redis.call('LINDEX', q .. KEY.ended, -1)
    local z, g, named = unpack(redis.call('HMGET', q .. KEY.job .. id, 'z', 'g', 'i'))
    if z and (g or now - z < tombstone(named)) then return end
    redis.call('RPOP', q .. KEY.ended)
    if z then redis.call('UNLINK', q .. KEY.job .. id, q .. KEY.log .. id) end
  end
end
