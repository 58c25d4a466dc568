-- Queues up to 1000 scheduled jobs that are due.
local function promote(q, now)
  local due = redis.call('ZRANGEBYSCORE', q .. KEY.scheduled, '-inf', now, 'LIMIT', 0, 1000)
  if #due == 0 then return end
  redis.call('LPUSH', q .. KEY.pending, unpack(due)) -- first: it fails if the key is of a wrong type
  redis.call('ZREM', q .. KEY.scheduled, unpack(due))
  for _, id in ipairs(due) do redis.pcall('HDEL', q .. KEY.job .. id, 's') end
  wake(q)
end
