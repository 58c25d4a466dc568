-- Queues up to 1000 scheduled jobs that are due.
local function promote(q, now)
  local due = redis.call('ZRANGEBYSCORE', q .. KEY.scheduled, '-inf', now, 'LIMIT', 0, 1000)
  if #due == 0 then return end
  for _, id in ipairs(due) do redis.pcall('HDEL', q .. KEY.job .. id, 's') end
  redis.call('ZREM', q .. KEY.scheduled, unpack(due))
  redis.call('LPUSH', q .. KEY.pending, unpack(due))
  wake(q)
end
