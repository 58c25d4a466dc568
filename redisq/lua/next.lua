-- Jobs that wait for others, their parents. One that waits is scheduled for never (+inf). `after:<id>` says for what: `left`,
-- how many parents have not ended; `mode`: s, all must succeed; f, one must be a dead letter; e, all must end; `due`, a
-- moment, when to run from then on; and by each parent's full id its number, and behind it, once it has ended, how
-- (s, f or c) and its result or error; S, F and C if that is too large to be copied. `next:<id>` lists, by full ids, who
-- waits for a job. What comes twice changes nothing: a parent ends once.
local LARGEST, MOST_OF_ONE, MOST_AT_ONCE = 65536, 4194304, 4194304
local KEPT = 86400000 -- ms that the record of one is kept which is cancelled, since it cannot run any more

local function full_id(q, id) return q:match('{(.-)}') .. '.' .. id end

-- Hands something over to another queue: see forward.py.
local function send(q, queue, what, ...)
  redis.call('RPUSH', q .. KEY.forward, cjson.encode({ queue, what, { ... } }))
  wake(q)
end

-- It waits no longer. It is not in its place while purge.lua is about to cancel it.
local function set_off(q, now, id, due)
  redis.call('LLEN', q .. KEY.pending) -- fails, while it may, if the key is of a wrong type
  if redis.call('ZREM', q .. KEY.scheduled, id) == 0 then return end
  if at(due, now) > now then return schedule(q, id, at(due, now)) end
  redis.call('LPUSH', q .. KEY.pending, id)
  redis.call('HDEL', q .. KEY.job .. id, 's')
  wake(q)
end

local function give_up(q, now, id, why)
  redis.call('ZREM', q .. KEY.scheduled, id)
  end_cancelled(q, now, id, why, KEPT, redis.call('HMGET', q .. KEY.job .. id, 'f', 'n', 'i', 'j'))
end

-- A parent of this job has ended. Answers how many bytes that has taken, of `budget` at most.
local function arrive(q, now, id, parent, told, text, budget)
  local key, how = q .. KEY.after .. id, told:lower() -- told in capitals: it was too large on the way
  local number, left, mode, due, bytes = unpack(redis.call('HMGET', key, parent, 'left', 'mode', 'due', 'bytes'))
  left = (tonumber(left) or 0) - 1
  if left < 0 or not number or number:find(':') or how == 'f' and mode == 's' then return 0 end
  local size = #text
  if size > math.min(LARGEST, budget, MOST_OF_ONE - bytes) then told, text, size = told:upper(), '', 0 end
  redis.call('HSET', key, parent, number .. ':' .. told .. text, 'left', left, 'bytes', bytes + size)
  if mode == 's' and how == 'c' then
    text = text:find('^its parent') and 'cancelled' or text
    give_up(q, now, id, 'its parent ' .. parent .. ' did not succeed: ' .. text)
  elseif mode == 'f' and how ~= 'f' then
    if left == 0 then give_up(q, now, id, 'not needed: no parent has failed') end
  elseif mode == 'f' or left == 0 then
    redis.call('HSET', key, 'left', 0)
    set_off(q, now, id, tonumber(due))
  end
  return size
end

-- Tells those who wait for a job. One who cannot be told, since a key is broken, holds no other up.
local function tell_all(q, now, id, hooks, how, text, ttl)
  if hooks.a and how ~= 'f' then redis.call('DEL', q .. KEY.after .. id) end
  if hooks.w then
    local kept = math.max(ttl or 2592000000, KEPT)
    redis.call('PEXPIRE', q .. KEY.flow .. hooks.w, kept, 'NX')
    redis.call('PEXPIRE', q .. KEY.flow .. hooks.w, kept, 'GT')
  end
  local me, mine, budget = full_id(q, id), full_id(q, ''), MOST_AT_ONCE
  for _, child in ipairs(hooks.n and redis.call('LRANGE', q .. KEY.next .. id, 0, -1) or {}) do
    local queue, child_id = child:match('^(.-)%.(.+)$')
    if queue .. '.' == mine then
      local ok, size = pcall(arrive, q, now, child_id, me, how, text or '', budget)
      if ok then budget = budget - size end
    else
      send(q, queue, 'arrive', child_id, me, how)
    end
  end
  if hooks.n and how ~= 'f' then redis.call('DEL', q .. KEY.next .. id) end
end

-- One after the other, since a chain of cancelled jobs may be longer than functions can be nested.
local endings, telling = {}, false
tell_dependents = function(...)
  endings[#endings + 1] = { ... }
  if telling then return end
  telling = true
  local i = 1
  while endings[i] do
    pcall(tell_all, unpack(endings[i], 1, 7))
    i = i + 1
  end
  endings, telling = {}, false
end
