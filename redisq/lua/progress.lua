#!lua flags=allow-oom
-- Notes how far a job has come, if the delivery is still the worker's.
-- KEYS     the base of a queue
-- ARGV     id, worker, delivery, "done/total"
-- Returns  1, or 0 if the job is not this worker's any more
local key = KEYS[1] .. KEY.job .. ARGV[1]
local status, worker, delivery = unpack(redis.call('HMGET', key, 's', 'w', 'd'))
if status ~= 'r' or worker ~= ARGV[2] or delivery ~= ARGV[3] then return 0 end
redis.call('HSET', key, 'p', ARGV[4])
return 1
