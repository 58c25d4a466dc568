#!lua
-- include: common put limits hooks finish next parents
-- Enqueues a workflow, all of it or nothing: jobs of this queue, parents before those that wait for them; those of other
-- queues go through `forward`, in the same order. Sent twice, it is made once.
-- KEYS     the base of a queue
-- ARGV     id of the workflow, what it is (JSON), the bound of a feed, how many ended jobs to keep, how many entries for
--          `forward`, these, then per job what put() reads, as for enqueue_after.lua
-- Returns  1 if it was made, else 0
local q, key, now, ready = KEYS[1], KEYS[1] .. KEY.flow .. ARGV[1], now_ms(), {}
local bound, first = tonumber(ARGV[3]), 6 + ARGV[5]
if redis.call('EXISTS', key) == 1 then
  redis.call('SET', key, redis.call('GET', key), 'KEEPTTL') -- WAIT counts only this connection's own writes
  return 0
end
redis.call('LLEN', q .. KEY.pending) -- what cannot be shows here, before anything is written
redis.call('LLEN', q .. KEY.forward)
redis.call('ZCARD', q .. KEY.scheduled)
local i = first
while i <= #ARGV do
  local feed = ARGV[i + 2]
  if feed ~= '' and redis.call('LLEN', q .. KEY.feed .. feed .. ':' .. KEY.pending) >= bound then
    return redis.error_reply('FEEDFULL ' .. feed)
  end
  i = i + 4 + ARGV[i + 3]
end
redis.call('SET', key, ARGV[2])
for n = 6, first - 1 do redis.call('RPUSH', q .. KEY.forward, ARGV[n]) end
i = first
while i <= #ARGV do i = put_any(q, now, i, ready, false, math.huge) end
queue_up(q, ready)
if first > 6 then wake(q) end
list_ended(q, now, tonumber(ARGV[4]))
return 1
