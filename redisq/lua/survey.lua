#!lua flags=no-writes
-- include: common
-- What is to be seen of a queue at one moment, read in a time that does not grow with the queue.
-- KEYS     the base of a queue
-- ARGV     the id that was first in `ended` at an earlier look ('': none was), the time of that look in ms, how far to look
--          for that id, how many of those that have ended last to look at (from 1 on)
-- Returns  {now, scheduled, queued, running, failed, workers, '1' if paused, id and field e of the job that waits longest
--          or nil, the first id in `ended` or nil, how many have ended since that look or -1, how many have failed
--          since the time of it, how many of them from now on,
--          {ms from enqueued to claimed of a job that began in the last minute and has ended, …}}
local q, seen, now, running, waits = KEYS[1], ARGV[1], now_ms(), 0, {}

-- The entry of this list that is next to be taken and has a record, and when that was enqueued.
local function next_of(list)
  local entries = redis.call('LRANGE', q .. list, -10, -1)
  for i = #entries, 1, -1 do
    local e = redis.pcall('HGET', q .. KEY.job .. entries[i], 'e')
    if type(e) == 'string' and #e <= 14 and tonumber(e) then return { entries[i], e } end
  end
  return { false, false }
end

local workers = redis.call('ZRANGE', q .. KEY.workers, 0, -1)
for _, worker in ipairs(workers) do running = running + redis.call('LLEN', q .. KEY.claimed .. worker) end
for _, id in ipairs(redis.call('LRANGE', q .. KEY.ended, 0, ARGV[4] - 1)) do
  local f = redis.pcall('HMGET', q .. KEY.job .. id, 'e', 'c', 'd')
  local e, c = tonumber(f[1] or ''), tonumber(f[2] or '')
  if f[3] == '1' and e and c and now - c < 60000 then waits[#waits + 1] = c - e end -- of a later delivery, c is later
end
local oldest, suspect = next_of(KEY.pending), next_of(KEY.suspects)
if suspect[1] and (not oldest[1] or tonumber(suspect[2]) < tonumber(oldest[2])) then oldest = suspect end
local since = seen == '' and redis.call('LLEN', q .. KEY.ended)
  or redis.call('LPOS', q .. KEY.ended, seen, 'MAXLEN', ARGV[3])
return {
  now, redis.call('ZCARD', q .. KEY.scheduled), redis.call('LLEN', q .. KEY.pending) + redis.call('LLEN', q .. KEY.suspects),
  running, redis.call('ZCARD', q .. KEY.dead), #workers, redis.call('HGET', q .. KEY.state, 'paused'), oldest[1], oldest[2],
  redis.call('LINDEX', q .. KEY.ended, 0), since or -1, redis.call('ZCOUNT', q .. KEY.dead, ARGV[2], '+inf'),
  redis.call('ZCOUNT', q .. KEY.dead, now, '+inf'), waits,
}
