#!lua flags=allow-oom
-- include: common bury limits hooks finish next take_back
-- A worker is busy with one job: its supervisor gives back those that come behind it, which have not begun.
-- KEYS     the base of a queue
-- ARGV     worker, the id that runs (or '': it is in an earlier queue), how many ended jobs to keep, TTL of a cancelled one in ms
-- Returns  how many jobs were given back
local q, worker, claimed, now = KEYS[1], ARGV[1], KEYS[1] .. KEY.claimed .. ARGV[1], now_ms()
local position = ARGV[2] == '' and redis.call('LLEN', claimed) or redis.call('LPOS', claimed, ARGV[2])
if not position or position == 0 then return 0 end
local ids = redis.call('LRANGE', claimed, 0, position - 1)
redis.call('LTRIM', claimed, position, -1)
take_back(q, now, worker, ids, '', 0, tonumber(ARGV[4]))
list_ended(q, now, tonumber(ARGV[3]))
return #ids
