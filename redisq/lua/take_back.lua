-- Takes jobs from a worker that will not finish them: `ids`, the newest first, so that the oldest is the next to run.
-- `blamed` crashed the worker: three crashes put it into the dead letters (limit 0: never). If it is `false`, nobody
-- knows which of several did: all are suspects, and who is one for the second time runs alone, until it ends.
local function take_back(q, now, worker, ids, blamed, limit, cancelled_ttl)
  for _, id in ipairs(ids) do
    local key = q .. KEY.job .. id
    local f = redis.pcall('HMGET', key, 'f', 'n', 'i', 'j', 's', 'w', 'm', 'k', 'q', 'v')
    local crashes, suspicions = (tonumber(f[8]) or 0) + 1, (tonumber(f[9]) or 0) + 1
    if f.err or not f[10] then
      bury(q, now, id, f)
    elseif f[5] == 'r' and f[6] == worker then -- else a second copy of an id that is elsewhere
      if f[7] then
        redis.call('HDEL', key, 'w')
        end_cancelled(q, now, id, 'cancelled', cancelled_ttl, f)
      elseif id == blamed and limit > 0 and crashes >= limit then
        redis.call('HDEL', key, 'w')
        local why = 'crashed: its worker died ' .. crashes .. ' times'
        redis.call('HSET', key, 's', 'f', 'k', crashes, 'z', now, 'x', why)
        finish(q, now, id, false, f, 'f', why)
      else
        if blamed ~= false then suspicions = suspicions - 1 end
        redis.call('RPUSH', q .. (suspicions > 1 and KEY.suspects or KEY.pending), id)
        redis.call('HDEL', key, 's', 'w')
        unhook(q, id, f[4])
        if id == blamed then redis.call('HSET', key, 'k', crashes) end
        if blamed == false then redis.call('HSET', key, 'q', suspicions) end
      end
    end
  end
  if #ids > 0 then wake(q) end
end

-- The worker is gone: its late calls are refused from here on.
local function deregister(q, worker)
  redis.call('DEL', q .. KEY.claimed .. worker, q .. KEY.control .. worker, q .. KEY.facts .. worker)
  redis.call('ZREM', q .. KEY.workers, worker)
  redis.call('HDEL', q .. KEY.calls, worker)
end
