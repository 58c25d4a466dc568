#!lua flags=allow-oom
-- include: common put limits hooks finish next parents
-- Settles jobs that a worker holds: takes each from its list and writes what became of it, if the delivery is still the
-- worker's. Sent twice, it changes nothing and answers 'done'. Each job stands alone.
-- KEYS     the base of a queue
-- ARGV     worker, how many ended jobs to keep, TTL of a cancelled one in ms, then per job:
--          id, delivery, way, text, ms, n, and n arguments: of follow() when it succeeded, a traceback when it failed. The ways:
--          s succeeded (result, TTL) · f failed for good (error, -) · r retried (error, delay) · p postponed (error, delay)
--          l released to the head of the queue (-, -) · c cancelled (error, -) · g gone: an entry of a feed that was read
-- Returns  per job: 'ok', 'done' (settled so before), 'lost' (not this worker's any more), or what went wrong
local q, worker, most, cancelled_ttl = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local claimed, now, ready, settled = q .. KEY.claimed .. worker, now_ms(), {}, {}

-- include: failure ways

-- Enqueues what a job leaves when it succeeds: a number, as many entries for `forward`, then what put() reads.
local function follow(i, last)
  local first = i + 1 + ARGV[i]
  for n = i + 1, first - 1 do redis.call('RPUSH', q .. KEY.forward, ARGV[n]) end
  while first <= last do first = put_any(q, now, first, ready, false, math.huge) end
end

local function settle(id, delivery, way, text, ms, first, last)
  local key = q .. KEY.job .. id
  local f = redis.call('HMGET', key, 'f', 'n', 'i', 'j', 's', 'w', 'd', 'm')
  local status, ours = f[5], f[6] == worker and f[7] == delivery
  if f[8] then way, text = 'c', 'cancelled' end
  local follows = way == 's' and first <= last
  if follows then redis.call('LLEN', q .. KEY.pending) redis.call('LLEN', q .. KEY.forward) end -- fails while it may
  if status == 'r' and ours then
    local ok, wrong = pcall(ways[way], id, key, f, delivery, text, ms, first <= last and ARGV[first] or '')
    if not ok then -- a key is of a wrong type: nothing has happened, the worker still holds the job
      redis.call('PERSIST', key)
      redis.call('PERSIST', q .. KEY.log .. id)
      redis.call('HDEL', key, 'z', 'g', 'y')
      redis.call('HSET', key, 's', 'r')
      error(wrong)
    end
    settled[#settled + 1] = id
    if way == 'r' or way == 'p' or way == 'l' then unhook(q, id, f[4]) end
    if follows then follow(first, last) end
    return 'ok'
  end
  local before = redis.call('HGET', key, 'l') == worker .. ':' .. delivery
    or ours and (status == 's' or status == 'f' or status == 'c')
    or way == 'g' and not f[7]
  return before and 'done' or 'lost'
end

-- Takes what was settled from the list; mostly it is what was claimed first, and stands at the right end in that order.
local function take_from_list()
  local last = #settled > 1 and redis.call('LRANGE', claimed, -#settled, -1) or {}
  for i, id in ipairs(settled) do
    if last[#settled + 1 - i] ~= id then
      for _, one in ipairs(settled) do redis.call('LREM', claimed, -1, one) end
      return
    end
  end
  if #settled > 0 then redis.call('LTRIM', claimed, 0, -1 - #settled) end
end

local answers, i = {}, 4
while i <= #ARGV do
  local first = i + 6
  local last = first + ARGV[i + 5] - 1
  local ok, answer = pcall(settle, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), first, last)
  answers[#answers + 1] = ok and answer or 'error ' .. tostring(type(answer) == 'table' and answer.err or answer)
  i = last + 1
end
queue_up(q, ready)
pcall(take_from_list) -- a key of a wrong type holds nothing
pcall(list_ended, q, now, most)
return answers
