#!lua
-- include: common
-- Declares an entry of the timetable, as its code has it now. Ticks count from the first time that anybody did so under
-- this schedule. A schedule that it had before is forgotten when it has had no tick for a week: until then, workers of
-- another version may still go by it.
-- KEYS     the base of a queue
-- ARGV     the entry's name, the mark of its schedule, what it is (JSON)
-- Returns  {the server's time in ms, its latest tick in ms}
local q, name, now = KEYS[1], ARGV[1], now_ms()
local key, prefix = q .. KEY.cron, name .. ':last:'
local field = prefix .. ARGV[2]
redis.call('HSETNX', key, field, now)
redis.call('HSET', key, name .. ':spec', ARGV[3])
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  local old = all[i] ~= field and string.sub(all[i], 1, #prefix) == prefix
  if old and now - tonumber(all[i + 1]) > 604800000 then redis.call('HDEL', key, all[i]) end
end
return { now, tonumber(redis.call('HGET', key, field)) }
