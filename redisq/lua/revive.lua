#!lua
-- include: common
-- Queues a dead letter again, with all its attempts before it, and without its deadline and the attempts behind it. A job
-- that is no dead letter stays as it is.
-- KEYS     the base of a queue
-- ARGV     id
-- Returns  the fields of the job as it then is; nothing if there is no such job
local q, key = KEYS[1], KEYS[1] .. KEY.job .. ARGV[1]
if redis.call('ZSCORE', q .. KEY.dead, ARGV[1]) then
  redis.call('HDEL', key, 's', 'w', 'x', 'z', 'a', 'u', 'k', 'q', 'l', 'm', 'n', 'ex', 'hi', 'tb')
  redis.call('LPUSH', q .. KEY.pending, ARGV[1])
  redis.call('ZREM', q .. KEY.dead, ARGV[1])
  redis.call('DEL', q .. KEY.done .. ARGV[1]) -- it woke those who waited for the first end; left, it would keep waking
  wake(q)
end
return redis.call('HGETALL', key)
