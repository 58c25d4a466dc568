#!lua flags=allow-oom
-- include: common bury limits hooks finish next take_back promote reap
-- Keeps house: queues what is due; and, if nobody did in the last 100 ms, takes back what dead workers hold and forgets
-- the oldest dead letters. Every worker sends it along with its claims, so there is no process that could be missing.
-- KEYS     the base of a queue
-- ARGV     after how many crashes a job is a dead letter (0: never), how many ended jobs to keep, TTL of a cancelled one
--          in ms, how many dead letters to keep, and for how long in ms
-- Returns  {ms until there is something to do again, or -1; how many follow-ups wait in forward}
local q, now, limit = KEYS[1], now_ms(), tonumber(ARGV[1])

local function forget_dead(most, age)
  local over = redis.call('ZCARD', q .. KEY.dead) - most
  local old = over > 0 and redis.call('ZRANGE', q .. KEY.dead, 0, math.min(over, 500) - 1)
    or redis.call('ZRANGEBYSCORE', q .. KEY.dead, '-inf', now - age, 'LIMIT', 0, 500)
  for _, id in ipairs(old) do
    redis.call('ZREM', q .. KEY.dead, id)
    local untold, j = unpack(redis.call('HMGET', q .. KEY.job .. id, 'g', 'j'))
    if j then run_hooks(q, now, id, j, 'c', 'forgotten', 0) end
    if not untold then redis.call('UNLINK', q .. KEY.job .. id, q .. KEY.log .. id) end
  end
end

local kept, again = tonumber(redis.call('HGET', q .. KEY.state, 'kept') or 0), nil
promote(q, now)
if kept > now or now - kept >= 100 then
  redis.call('HSET', q .. KEY.state, 'kept', now)
  again = reap(q, now, kept > 0 and now - kept or 0, limit, tonumber(ARGV[3]))
  cut_lease(q, now)
  forget_dead(tonumber(ARGV[4]), tonumber(ARGV[5]))
  list_ended(q, now, tonumber(ARGV[2]))
else
  again = redis.call('ZCOUNT', q .. KEY.workers, '-inf', now) > 0 and kept + 100
end
local due = redis.call('ZRANGE', q .. KEY.scheduled, 0, 0, 'WITHSCORES')[2]
local ends = redis.call('ZRANGEBYSCORE', q .. KEY.workers, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
local at = math.min(again or math.huge, tonumber(due) or math.huge, tonumber(ends) or math.huge)
return { at < math.huge and math.max(0, math.ceil(at - now)) or -1, redis.call('LLEN', q .. KEY.forward) }
