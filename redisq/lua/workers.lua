#!lua flags=no-writes
-- include: common
-- The workers of a queue, and what each holds, at one moment.
-- KEYS     the base of a queue
-- ARGV     how many workers at most, how many jobs of each
-- Returns  {now, {worker, end of its lease in ms, how many jobs it holds, its facts or nil, {id, e, c, t, d, a, p}, …}, …}; the job that is to
--          run first comes first
local q, answers = KEYS[1], { now_ms() }
local registered = redis.call('ZREVRANGE', q .. KEY.workers, 0, ARGV[1] - 1, 'WITHSCORES')
for i = 1, #registered, 2 do
  local worker = registered[i]
  local ids = redis.call('LRANGE', q .. KEY.claimed .. worker, -ARGV[2], -1)
  local facts = redis.pcall('GET', q .. KEY.facts .. worker)
  if type(facts) ~= 'string' then facts = false end
  local answer = { worker, registered[i + 1], redis.call('LLEN', q .. KEY.claimed .. worker), facts }
  for n = #ids, 1, -1 do
    local f = redis.pcall('HMGET', q .. KEY.job .. ids[n], 'e', 'c', 't', 'd', 'a', 'p')
    if f.err then f = { false, false, false, false, false, false } end
    table.insert(f, 1, ids[n])
    answer[#answer + 1] = f
  end
  answers[#answers + 1] = answer
end
return answers
