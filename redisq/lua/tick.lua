#!lua
-- include: common put
-- Enqueues ticks of an entry, in order, each once: the latest one that anybody has sent under its schedule is kept, and
-- what is not later changes nothing. So a tick is known also when the record of its job is gone.
-- Ticks of a pause are passed over, for good. A latest tick of the far future does not count: the clock was set back.
-- KEYS     the base of a queue
-- ARGV     the entry's name, the mark of its schedule, the bound of a feed, then per tick, ascending, its time in ms and
--          what put() reads, where the delay is the time in ms from when on it may run
-- Returns  {the server's time in ms, the latest tick or nil if the entry is not declared, the error that stopped it}
local q, name, now, i = KEYS[1], ARGV[1], now_ms(), 4
local key, field, ready, trouble = q .. KEY.cron, name .. ':last:' .. ARGV[2], {}, false
local last, pause = unpack(redis.call('HMGET', key, field, name .. ':pause'))
last, pause = tonumber(last), tonumber(pause or 0)
if not last then return { now } end
if last > now + 3600000 then last = now end
if pause > now then pause = 0 end -- the time of the resumption; 1 while it lasts
redis.call('LLEN', q .. KEY.pending) -- a key of a wrong type shows here, before anything is written
while i <= #ARGV do
  local tick, id = tonumber(ARGV[i]), ARGV[i + 1]
  if pause == 1 and tick > now then break end -- it may be over by then
  if tick > last then
    if pause ~= 1 and tick > pause then
      ARGV[i + 2] = math.max(0, ARGV[i + 2] - now)
      local _, made = put(q, now, i + 1, ready, false, tonumber(ARGV[3]))
      trouble = type(made) == 'table' and made.err
      if trouble then break end
      redis.call('HSET', key, name .. ':tick', tick .. ' ' .. id)
    end
    last = tick
  end
  i = i + 5 + ARGV[i + 4]
end
redis.call('HSET', key, field, last)
queue_up(q, ready)
return { now, last, trouble }
