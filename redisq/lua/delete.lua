#!lua flags=allow-oom
-- include: common limits hooks finish next
-- Deletes a job that does not run, and so frees its id. If a feed waits for its end, the record stays until the feed knows.
-- KEYS     the base of a queue
-- ARGV     id, how many ended jobs to keep
-- Returns  'ok', 'running', 'missing'
local q, id, now, key = KEYS[1], ARGV[1], now_ms(), KEYS[1] .. KEY.job .. ARGV[1]
local f = redis.call('HMGET', key, 'f', 'n', 'i', 'j', 's', 'g', 'v')
local status, untold = f[5], f[6]
if not f[7] then return 'missing' end
if status == 'r' then return 'running' end
if not status or status == 'd' then
  cancel_waiting(q, now, id, 'deleted', 0, f)
  untold = f[1]
elseif status == 'f' and f[4] then
  run_hooks(q, now, id, f[4], 'c', 'deleted', 0)
end
redis.call('ZREM', q .. KEY.dead, id)
list_ended(q, now, tonumber(ARGV[2])) -- those that waited for it
redis.call('LREM', q .. KEY.ended, 1, id)
if untold then redis.call('HSET', key, 'g', 0) else redis.call('UNLINK', key, q .. KEY.log .. id) end
return 'ok'
