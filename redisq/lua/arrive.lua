#!lua flags=allow-oom
-- include: common limits hooks finish next
-- A job of another queue has ended, for which one of this queue waits. Sent twice, it changes nothing.
-- KEYS     the base of the queue of the job that waits
-- ARGV     its id, full id of the parent, how that ended (s, f or c; S, F or C without what comes
--          next, since it is too large), its result or error, how many ended jobs to keep
local q, now = KEYS[1], now_ms()
arrive(q, now, ARGV[1], ARGV[2], ARGV[3], ARGV[4], #ARGV[4])
list_ended(q, now, tonumber(ARGV[5]))
