#!lua flags=allow-oom
-- include: common bury limits hooks finish next
-- Cancels up to 500 jobs that wait; what is no job goes to the dead letters. Call it again until it has seen nothing.
-- KEYS     the base of a queue
-- ARGV     how many ended jobs to keep, TTL of a cancelled one in ms
-- Returns  {how many were cancelled, with those that waited for them, how many entries were seen}
local q, now, seen = KEYS[1], now_ms(), 0
local function cancel(ids)
  for _, id in ipairs(ids or {}) do
    local f = redis.pcall('HMGET', q .. KEY.job .. id, 'f', 'n', 'i', 'j', 's', 'v')
    if f[6] and (not f[5] or f[5] == 'd') then
      end_cancelled(q, now, id, 'cancelled', tonumber(ARGV[2]), f)
    elseif not f[6] then
      pcall(bury, q, now, id, f)
    end
  end
  seen = seen + #(ids or {})
end
cancel(redis.call('RPOP', q .. KEY.pending, 500))
if seen < 500 then cancel(redis.call('RPOP', q .. KEY.suspects, 500)) end
if seen < 500 then
  local ids = redis.call('ZRANGE', q .. KEY.scheduled, 0, 499)
  if #ids > 0 then redis.call('ZREM', q .. KEY.scheduled, unpack(ids)) end
  cancel(ids)
end
redis.call('DEL', q .. KEY.wake)
list_ended(q, now, tonumber(ARGV[1]))
return { #ended, seen }
