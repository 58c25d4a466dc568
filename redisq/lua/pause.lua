#!lua flags=allow-oom
-- include: common
-- Stops a queue's jobs from being claimed, or lets them be claimed again.
-- KEYS     the base of a queue
-- ARGV     '1' to pause, '0' to resume
local q = KEYS[1]
if ARGV[1] == '1' then
  redis.call('HSET', q .. KEY.state, 'paused', 1)
  redis.call('DEL', q .. KEY.wake)
else
  redis.call('HDEL', q .. KEY.state, 'paused')
  wake(q)
end
