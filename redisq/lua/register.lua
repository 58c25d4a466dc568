#!lua flags=allow-oom
-- include: common
-- Makes a worker known to a queue, once: claims and renewals refuse who is not.
-- KEYS     the base of a queue
-- ARGV     worker, lease in ms, an epoch for a queue that has none
-- Returns  the queue's epoch; another one than before means that the server has lost its data
local q, worker, lease = KEYS[1], ARGV[1], tonumber(ARGV[2])
redis.call('ZADD', q .. KEY.workers, now_ms() + lease, worker)
redis.call('HSET', q .. KEY.calls, worker, '0:' .. lease .. ':')
redis.call('HSETNX', q .. KEY.state, 'epoch', ARGV[3])
return redis.call('HGET', q .. KEY.state, 'epoch')
