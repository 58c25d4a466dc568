#!lua flags=allow-oom
-- include: common put finish
-- Settles jobs that a worker holds: takes each from its list and writes what became of it, if the delivery is still the
-- worker's. Sent twice, it changes nothing and answers 'done'. Each job stands alone.
-- KEYS     the base of a queue
-- ARGV     worker, how many ended jobs to keep, TTL of a cancelled one in ms, then per job:
--          id, delivery, way, text, ms, n, and n arguments of follow(). The ways:
--          s succeeded (result, TTL) · f failed for good (error, -) · r retried (error, delay) · p postponed (error, delay)
--          l released to the head of the queue (-, -) · c cancelled (error, -) · g gone: an entry of a feed that was read
-- Returns  per job: 'ok', 'done' (settled so before), 'lost' (not this worker's any more), or what went wrong
local q, worker, most, cancelled_ttl = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local claimed, now, ready = q .. KEY.claimed .. worker, now_ms(), {}

-- Enqueues what a job leaves when it succeeds: a number, as many entries for `forward`, then what put() reads.
local function follow(i, last)
  local first = i + 1 + ARGV[i]
  for n = i + 1, first - 1 do redis.call('RPUSH', q .. KEY.forward, ARGV[n]) end
  while first <= last do first = put(q, now, first, ready, false, math.huge) end
end

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
    finish(q, now, id, ms, f) -- first what may fail
    redis.call('HSET', key, 'b', '', 's', 's', 'r', text, 'z', now)
  end,
  f = function(id, key, f, _, text)
    redis.call('HSET', key, 's', 'f', 'x', text, 'z', now)
    finish(q, now, id, false, f)
  end,
  c = function(id, _, f, _, text) end_cancelled(q, now, id, text, cancelled_ttl, f) end,
  r = function(id, key, _, delivery, text, ms)
    back(id, key, delivery, ms, 'x', text, 'a', (redis.call('HGET', key, 'a') or 0) + 1)
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

local function settle(id, delivery, way, text, ms, first, last)
  local key = q .. KEY.job .. id
  local f = redis.call('HMGET', key, 'f', 'n', 'i', 's', 'w', 'd', 'm')
  local status, ours = f[4], f[5] == worker and f[6] == delivery
  if f[7] then way, text = 'c', 'cancelled' end
  local follows = way == 's' and first <= last
  if follows then redis.call('LLEN', q .. KEY.pending) redis.call('LLEN', q .. KEY.forward) end -- fails while it may
  if status == 'r' and ours and redis.call('LREM', claimed, -1, id) == 1 then
    local ok, wrong = pcall(ways[way], id, key, f, delivery, text, ms)
    if not ok then -- a key is of a wrong type: nothing has happened, the worker still holds the job
      redis.call('LPUSH', claimed, id)
      redis.call('PERSIST', key)
      redis.call('HDEL', key, 'z', 'g', 'y')
      redis.call('HSET', key, 's', 'r')
      error(wrong)
    end
    if follows then follow(first, last) end
    return 'ok'
  end
  local before = redis.call('HGET', key, 'l') == worker .. ':' .. delivery
    or ours and (status == 's' or status == 'f' or status == 'c')
    or way == 'g' and not f[6]
  return before and 'done' or 'lost'
end

local answers, i = {}, 4
while i <= #ARGV do
  local first = i + 6
  local last = first + ARGV[i + 5] - 1
  local ok, answer = pcall(settle, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), first, last)
  answers[#answers + 1] = ok and answer or 'error ' .. tostring(type(answer) == 'table' and answer.err or answer)
  i = last + 1
end
queue_up(q, ready)
pcall(list_ended, q, now, most)
return answers
