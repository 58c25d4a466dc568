-- Takes back what dead workers hold. After a freeze or a step of the clock every lease looks expired, so the first who
-- sees it only marks the worker; its owner's next renewal or claim clears the mark; a mark that has stood for a third of the
-- worker's own lease is its end. Of the time in which nobody looked (`unseen`, ms) little counts: the server may have been
-- away once more, and the owner without a chance to clear the mark. Answers when to look again, or nil.
local function reap(q, now, unseen, limit, cancelled_ttl)
  local again
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', q .. KEY.workers, '-inf', now, 'LIMIT', 0, 20)) do
    local number, lease, mark = (redis.call('HGET', q .. KEY.calls, worker) or '0:0:'):match('^(%d+):(%d+):(%d*)$')
    local before, uncounted = tonumber(mark), math.max(0, unseen - math.max(lease / 8, 150))
    mark = before and before <= now and math.min(now, before + math.floor(uncounted)) or now
    if mark ~= before then
      redis.call('HSET', q .. KEY.calls, worker, number .. ':' .. lease .. ':' .. mark)
    end
    if now - mark >= lease / 3 then
      local ids = redis.call('LRANGE', q .. KEY.claimed .. worker, 0, -1)
      take_back(q, now, worker, ids, #ids == 1 and ids[1], limit, cancelled_ttl)
      deregister(q, worker)
    else
      again = math.min(again or math.huge, mark + lease / 3, now + lease / 12)
    end
  end
  return again
end

-- A clock that stepped back leaves leases that end too late: no lease ends later than a lease from now.
local function cut_lease(q, now)
  local worker, ends = unpack(redis.call('ZRANGE', q .. KEY.workers, -1, -1, 'WITHSCORES'))
  if not worker then return end
  local lease = (redis.call('HGET', q .. KEY.calls, worker) or '0:0:'):match('^%d+:(%d+)')
  if ends - lease > now then redis.call('ZADD', q .. KEY.workers, now + lease, worker) end
end
