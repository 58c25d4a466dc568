-- Makes the job that ARGV describes from i on: id, when it may run (a moment), feed, and behind a colon how many jobs may
-- wait in the queue, if there is a limit, n, then n names and values of fields.
-- Adds its id to `ready` if it can run at once. Answers where the next description begins, and `now` if the job was
-- made, the fields of the job that was there already, or an error.
local function put(q, now, i, ready, touch, bound)
  local id, due, feed, first = ARGV[i], at(tonumber(ARGV[i + 1]), now), ARGV[i + 2], i + 4
  local key, after = q .. KEY.job .. id, first + ARGV[i + 3]
  if redis.call('EXISTS', key) == 1 then
    local fields = redis.pcall('HGETALL', key)
    if touch and not fields.err then redis.call('HSET', key, 'e', redis.call('HGET', key, 'e')) end
    return after, fields
  end
  local most
  if feed ~= '' then feed, most = feed:match('^([^:]*):?(%d*)$') end
  if most and most ~= '' and due <= now and redis.call('LLEN', q .. KEY.pending) + #ready >= tonumber(most) then
    return after, redis.error_reply('QUEUEFULL ' .. most)
  end
  if feed ~= '' and redis.call('LLEN', q .. KEY.feed .. feed .. ':' .. KEY.pending) >= bound then
    return after, redis.error_reply('FEEDFULL ' .. feed)
  end
  if due > now then
    local scheduled = redis.pcall('ZCARD', q .. KEY.scheduled) -- a key of a wrong type shows before anything is written
    if type(scheduled) == 'table' then return after, scheduled end
    schedule(q, id, due)
    redis.call('HSET', key, 's', 'd')
  else
    ready[#ready + 1] = id
  end
  redis.call('HSET', key, 'e', now, unpack(ARGV, first, after - 1))
  if feed ~= '' then redis.call('HSET', key, 'f', feed) end
  return after, now
end

-- Queues the jobs that can run at once.
local function queue_up(q, ready)
  if #ready == 0 then return end
  for i = 1, #ready, 5000 do redis.call('LPUSH', q .. KEY.pending, unpack(ready, i, math.min(i + 4999, #ready))) end
  wake(q)
end
