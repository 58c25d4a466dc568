#!lua flags=allow-oom
-- include: common bury limits hooks finish next take_back
-- A worker has ended, and its supervisor says so: its jobs run again at once.
-- KEYS     the base of a queue
-- ARGV     worker, the id that crashed it, '' if none did, '?' if one of several did, after how many crashes a job is a
--          dead letter (0: never), how many ended jobs to keep, TTL of a cancelled one in ms
-- Returns  how many jobs it held
local q, worker, now = KEYS[1], ARGV[1], now_ms()
local ids = redis.call('LRANGE', q .. KEY.claimed .. worker, 0, -1)
take_back(q, now, worker, ids, ARGV[2] ~= '?' and ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5]))
deregister(q, worker)
list_ended(q, now, tonumber(ARGV[4]))
return #ids
