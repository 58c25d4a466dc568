local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Leaves the token: there may be something to claim, or something is due sooner than the sleepers think. Raises nothing:
-- it comes last, when jobs have been moved.
local function wake(q)
  if redis.pcall('LLEN', q .. KEY.wake) == 0 then redis.call('LPUSH', q .. KEY.wake, 1) end
end

-- A moment in ms: a number counts from `since` on; a negative one is the time itself, so nobody's clock but ours counts.
local function at(moment, since) return moment < 0 and -moment or since + moment end

-- Whether a deadline, as a record has it, has passed; one that cannot be read never does.
local function is_over(deadline, enqueued, now)
  deadline, enqueued = tonumber(deadline), tonumber(enqueued)
  return deadline and enqueued and now >= at(deadline, enqueued)
end

-- Sets a job aside until it is due.
local function schedule(q, id, due)
  redis.call('ZADD', q .. KEY.scheduled, due, id)
  if redis.call('ZRANGE', q .. KEY.scheduled, 0, 0)[1] == id then wake(q) end
end
