-- Limits: how many jobs of one key may run at once, or start in a time. A job carries its own in the field j, as JSON:
-- {"l": [[key, most, period in ms], ...]}, period 0 for those that run at once. One that has to wait for its turn is
-- scheduled; `turn:<key>` tells who comes next.

-- 0 if one more may start, else in how many ms to look again.
local function wait_for(q, now, name, most, period)
  if period > 0 then
    local oldest = redis.call('LINDEX', q .. KEY.starts .. name, most - 1)
    return oldest and math.max(0, oldest + period - now) or 0
  end
  if redis.call('SCARD', q .. KEY.slots .. name) < most then return 0 end
  local holder = redis.call('SRANDMEMBER', q .. KEY.slots .. name)
  if redis.call('HGET', q .. KEY.job .. holder, 's') == 'r' then return 60000 end
  redis.call('SREM', q .. KEY.slots .. name, holder) -- as after a failover that forgot how it ended
  return 0
end

local function take_slot(q, now, id, name, most, period)
  redis.call('ZREM', q .. KEY.turn .. name, id)
  if period == 0 then return redis.call('SADD', q .. KEY.slots .. name, id) end
  redis.call('LPUSH', q .. KEY.starts .. name, now)
  redis.call('LTRIM', q .. KEY.starts .. name, 0, most - 1)
  redis.call('PEXPIRE', q .. KEY.starts .. name, period)
end

-- Whether this job may start; if not, it is scheduled. Those behind it in the line are spread over the time to come.
local function admit(q, now, id, enqueued, limits)
  for _, limit in ipairs(limits) do
    local name, most, period = unpack(limit)
    local ms = wait_for(q, now, name, most, period)
    if ms > 0 then
      redis.call('ZADD', q .. KEY.turn .. name, 'NX', enqueued, id)
      local ahead = redis.call('ZRANK', q .. KEY.turn .. name, id)
      schedule(q, id, now + ms + math.floor(ahead / most) * period)
      redis.call('HSET', q .. KEY.job .. id, 's', 'd')
      return false
    end
  end
  for _, limit in ipairs(limits) do take_slot(q, now, id, unpack(limit)) end
  return true
end

-- Whether a job must wait for its turn, by its own limits (in `j`) or its queue's (`own`, JSON or false), whose keys begin
-- with '='. It keeps both, for when it leaves. What is broken here holds no job up.
local function must_wait(q, now, id, enqueued, j, own)
  local ok, admitted = pcall(function()
    local hooks, limits = cjson.decode(j or '{}'), cjson.decode(own or '[]')
    for _, limit in ipairs(hooks.l or {}) do
      if limit[1]:sub(1, 1) ~= '=' then limits[#limits + 1] = limit end
    end
    hooks.l = limits
    if own then redis.call('HSET', q .. KEY.job .. id, 'j', cjson.encode(hooks)) end
    return admit(q, now, id, enqueued, limits)
  end)
  return ok and not admitted
end

-- Queues a job that waits for its turn, as the next to run. Whether it did wait.
local function bring_on(q, id)
  if redis.call('ZREM', q .. KEY.scheduled, id) == 0 then return false end
  redis.call('RPUSH', q .. KEY.pending, id)
  redis.call('HDEL', q .. KEY.job .. id, 's')
  wake(q)
  return true
end

-- A job leaves its worker, or ends where it waited: the next in line may start.
local function let_go(q, id, limits)
  for _, limit in ipairs(limits) do
    local name = limit[1]
    redis.call('ZREM', q .. KEY.turn .. name, id)
    local free = redis.call('SREM', q .. KEY.slots .. name, id)
    while free == 1 do
      local next = redis.call('ZPOPMIN', q .. KEY.turn .. name)[1]
      if not next or bring_on(q, next) then break end
    end
  end
end
