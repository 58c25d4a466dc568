#!lua
-- include: common put
-- Enqueues jobs. Each is known by its id: sent twice, it is made once.
-- Without allow-oom: when the server is out of memory it refuses the whole call before anything is written.
-- KEYS     the base of a queue
-- ARGV     '1' to write a field even where the job exists (WAIT counts only this connection's own writes), the bound of
--          a feed, then per job what put() reads
-- Returns  per job: the server's time in ms if it was made, the fields of the job that was there already, or an error
local q, touch, bound = KEYS[1], ARGV[1] == '1', tonumber(ARGV[2])
local now, ready, answers, i, answer = now_ms(), {}, {}, 3, nil
redis.call('LLEN', q .. KEY.pending) -- a key of a wrong type shows here, before anything is written
while i <= #ARGV do
  i, answer = put(q, now, i, ready, touch, bound)
  answers[#answers + 1] = answer
end
queue_up(q, ready)
return answers
