#!lua flags=allow-oom
-- include: common
-- Leaves an order for the supervisor of a worker. One that nobody has read for a minute is forgotten.
-- KEYS     the base of a queue
-- ARGV     worker, order (no id of a job begins like it: orders.py)
-- Returns  1; 0 if the worker is not registered here
local q, key = KEYS[1], KEYS[1] .. KEY.control .. ARGV[1]
if not redis.call('ZSCORE', q .. KEY.workers, ARGV[1]) then return 0 end
redis.call('LPUSH', key, ARGV[2])
redis.call('PEXPIRE', key, 60000)
return 1
