#!lua flags=allow-oom
-- include: common
-- Renews the leases of workers, and clears the mark of one that had expired.
-- KEYS     the base of a queue
-- ARGV     workers
-- Returns  per worker: 1, or 0 if it is not registered (any more)
local q, now, answers = KEYS[1], now_ms(), {}
for i, worker in ipairs(ARGV) do
  local call = redis.call('HGET', q .. KEY.calls, worker)
  answers[i] = call and 1 or 0
  if call then
    local number, lease = call:match('^(%d+):(%d+):')
    redis.call('ZADD', q .. KEY.workers, now + lease, worker)
    if call:sub(-1) ~= ':' then redis.call('HSET', q .. KEY.calls, worker, number .. ':' .. lease .. ':') end
  end
end
return answers
