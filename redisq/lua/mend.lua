#!lua flags=allow-oom
-- include: common bury
-- Looks whether a job is in the place that its record tells of, and puts it there if not. For doctor.py, which has a
-- suspicion; only here, where nothing moves meanwhile, is it certain.
-- KEYS     the base of a queue
-- ARGV     id, '1' to mend, '0' only to say, TTL in ms for an ended job that has none
-- Returns  'fine', or what is (to be) done: 'bury', 'queue', 'schedule', 'dead', 'expire', 'forget'
local q, id, mending, now = KEYS[1], ARGV[1], ARGV[2] == '1', now_ms()
local key = q .. KEY.job .. id

local function listed(list) return redis.call('LPOS', q .. list, id) end
local function scored(set) return redis.call('ZSCORE', q .. set, id) end

local function requeue()
  redis.call('HDEL', key, 's', 'w')
  redis.call('LPUSH', q .. KEY.pending, id)
  wake(q)
end

local function drop_everywhere()
  redis.call('LREM', q .. KEY.pending, 0, id)
  redis.call('LREM', q .. KEY.suspects, 0, id)
  redis.call('ZREM', q .. KEY.scheduled, id)
  redis.call('ZREM', q .. KEY.dead, id)
end

local function look()
  local record = redis.pcall('HMGET', key, 'v', 's', 'w', 'g')
  local status, worker = record[2], record[3]
  if record.err or not record[1] then
    local there = listed(KEY.pending) or listed(KEY.suspects) or scored(KEY.scheduled) or scored(KEY.dead)
    if there then return 'bury' end
    return redis.call('EXISTS', q .. KEY.log .. id) == 1 and 'forget' or 'fine'
  end
  if not status then return (listed(KEY.pending) or listed(KEY.suspects)) and 'fine' or 'queue' end
  if status == 'd' then return scored(KEY.scheduled) and 'fine' or 'schedule' end
  if status == 'r' then return worker and listed(KEY.claimed .. worker) and 'fine' or 'queue' end
  if record[4] or redis.call('PTTL', key) ~= -1 then return 'fine' end
  if status == 'f' then return scored(KEY.dead) and 'fine' or 'dead' end
  return 'expire'
end

local ways = {
  fine = function() end,
  bury = function()
    drop_everywhere()
    bury(q, now, id, redis.pcall('HMGET', key, 'v'))
  end,
  queue = requeue,
  schedule = function()
    local left = tonumber(redis.call('HGET', q .. KEY.after .. id, 'left') or 0)
    redis.call('ZADD', q .. KEY.scheduled, left > 0 and '+inf' or now, id) -- for never, if it waits for others: see next.lua
  end,
  dead = function() redis.call('ZADD', q .. KEY.dead, now, id) end,
  expire = function()
    redis.call('PEXPIRE', key, ARGV[3])
    redis.call('PEXPIRE', q .. KEY.log .. id, ARGV[3])
  end,
  forget = function() redis.call('UNLINK', q .. KEY.log .. id) end,
}
local found = look()
if mending then ways[found]() end
return found
