#!lua
-- include: common put limits hooks finish next parents
-- Enqueues jobs of which some wait for others. Otherwise as enqueue.lua.
-- KEYS     the base of a queue
-- ARGV     '1' to write a field in any case, the bound of a feed, how many ended jobs to keep, then per job what put()
--          reads; one that waits is due 'inf', and its hooks say for what, see parents.lua
-- Returns  per job as enqueue.lua; of one that waits, the fields, also if it was made
local q, touch, bound = KEYS[1], ARGV[1] == '1', tonumber(ARGV[2])
local now, ready, answers, i, answer = now_ms(), {}, {}, 4, nil
redis.call('LLEN', q .. KEY.pending) -- a key of a wrong type shows here, before anything is written
redis.call('LLEN', q .. KEY.forward)
while i <= #ARGV do
  i, answer = put_any(q, now, i, ready, touch, bound)
  answers[#answers + 1] = answer
end
queue_up(q, ready)
list_ended(q, now, tonumber(ARGV[3]))
return answers
