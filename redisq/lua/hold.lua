#!lua flags=allow-oom
-- include: common limits hooks finish next
-- Pauses an entry of the timetable, or lets it go on: ticks between the two are passed over. A tick that was enqueued
-- ahead of its time ends as cancelled.
-- KEYS     the base of a queue
-- ARGV     the entry's name, '1' to pause or '0' to resume, how many ended jobs to keep, TTL of a cancelled one in ms
local q, name, now = KEYS[1], ARGV[1], now_ms()
local key, field = q .. KEY.cron, ARGV[1] .. ':pause'
if ARGV[2] == '0' then
  if redis.call('HGET', key, field) == '1' then redis.call('HSET', key, field, now) end
  return
end
redis.call('HSET', key, field, 1)
local tick, id = string.match(redis.call('HGET', key, name .. ':tick') or '', '^(%d+) (.+)$')
if tick and tonumber(tick) > now and redis.call('ZSCORE', q .. KEY.scheduled, id) then
  cancel_waiting(q, now, id, 'paused', tonumber(ARGV[4]), redis.call('HMGET', q .. KEY.job .. id, 'f', 'n', 'i', 'j'))
  list_ended(q, now, tonumber(ARGV[3]))
end
