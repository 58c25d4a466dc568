#!lua flags=no-writes
-- Counts the jobs in each place, at one moment.
-- KEYS     the base of a queue
-- Returns  {scheduled, queued, running, failed}
local q, running = KEYS[1], 0
for _, worker in ipairs(redis.call('ZRANGE', q .. KEY.workers, 0, -1)) do
  running = running + redis.call('LLEN', q .. KEY.claimed .. worker)
end
return {
  redis.call('ZCARD', q .. KEY.scheduled),
  redis.call('LLEN', q .. KEY.pending) + redis.call('LLEN', q .. KEY.suspects),
  running,
  redis.call('ZCARD', q .. KEY.dead),
}
