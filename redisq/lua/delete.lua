#!lua flags=allow-oom
-- include: common limits hooks finish
-- Deletes a job that does not run, and so frees its id. If a feed waits for its end, the record stays until the feed knows.
-- KEYS     the base of a queue
-- ARGV     id
-- Returns  'ok', 'running', 'missing'
local q, id, now, key = KEYS[1], ARGV[1], now_ms(), KEYS[1] .. KEY.job .. ARGV[1]
local f = redis.call('HMGET', key, 'f', 'n', 'i', 'j', 's', 'g', 'v')
local status, untold = f[5], f[6]
if not f[7] then return 'missing' end
if status == 'r' then return 'running' end
if not status or status == 'd' then
  cancel_waiting(q, now, id, 'deleted', 0, f)
  untold = f[1]
end
redis.call('ZREM', q .. KEY.dead, id)
redis.call('LREM', q .. KEY.ended, 1, id)
if untold then redis.call('HSET', key, 'g', 0) else redis.call('UNLINK', key, q .. KEY.log .. id) end
return 'ok'
