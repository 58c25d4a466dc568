#!lua flags=allow-oom
-- include: common bury limits
-- Moves jobs to the list of the worker that asks. The same number again moves nothing and answers what the worker
-- holds; so jobs whose answer was lost are found. Leaves the token right on every queue, whatever else happens.
-- KEYS     the bases of queues, in the order in which to look
-- ARGV     worker, number of this claim, most jobs, most bytes of bodies, '1' if the worker holds nothing, 'a' if it claims
--          ahead of what it runs: from the last of KEYS, and only while the others have no jobs; else '0',
--          '1' if keep.lua was called just before: only who knows what is due next may take a token that has no job,
--          '1', else left out or '0', if the connection is new: what the worker holds is answered too, since a server that
--          has lost its last writes may hold for it what it has settled; '1', else left out, if signatures are asked for
-- Returns  per queue: 'unregistered', 'stale', what went wrong, or jobs: {id, delivery, v, t, b, o, e, a, u, f, j}, and
--          behind those 1 if its deadline has passed, 2 if it is to run alone, or both added (0), and sg if asked for
local worker, number, empty, ahead, kept = ARGV[1], tonumber(ARGV[2]), ARGV[5] == '1', ARGV[5] == 'a', ARGV[6] == '1'
local parked = false -- jobs that wait for their turn: when one is due, only the next keep.lua tells
local budget, bytes, now = math.min(tonumber(ARGV[3]), 5000), tonumber(ARGV[4]), now_ms() -- unpack() takes no 8000

local function read(q, id)
  local job = redis.pcall('HMGET', q .. KEY.job .. id, 's', 'd', 'v', 't', 'b', 'o', 'e', 'a', 'u', 'f', 'j', 'ex')
  job[12] = job[12] and is_over(job[12], job[7], now) and 1 or nil
  if ARGV[8] then job[12], job[13] = job[12] or 0, redis.pcall('HGET', q .. KEY.job .. id, 'sg') end
  return job
end

-- Adds the jobs that the worker holds, the oldest first.
local function held(q, jobs)
  local ids = redis.call('LRANGE', q .. KEY.claimed .. worker, 0, -1)
  for i = #ids, 1, -1 do
    local job = read(q, ids[i])
    if job[1] == 'r' then
      job[1] = ids[i]
      if (tonumber(redis.call('HGET', q .. KEY.job .. ids[i], 'q')) or 0) > 1 then job[12] = (job[12] or 0) + 2 end
      jobs[#jobs + 1] = job
    end
  end
end

-- Adds jobs from the right of a list, and moves them. A second copy of an id that is elsewhere is dropped. `own`: limits
-- of the queue, or nil. Answers whether there was anything.
local function take(q, list, most, jobs, own)
  if most < 1 then return false end
  local waiting, mine, garbage, seen = redis.call('LRANGE', q .. list, -most, -1), {}, {}, 0
  for i = #waiting, 1, -1 do
    if bytes <= 0 then break end
    local id, job = waiting[i], read(q, waiting[i])
    if not is_sound(id, job) then
      garbage[#garbage + 1] = { id, job }
    elseif not job[1] and job[12] ~= 1 and (own or job[11]) and must_wait(q, now, id, job[7], job[11], own) then
      parked = true
    elseif not job[1] then
      job[1], job[2] = id, (tonumber(job[2]) or 0) + 1
      redis.call('HSET', q .. KEY.job .. id, 's', 'r', 'w', worker, 'c', now, 'd', job[2])
      jobs[#jobs + 1], mine[#mine + 1], bytes = job, id, bytes - #(job[5] or '')
      if list == KEY.suspects then job[12] = (job[12] or 0) + 2 end
    end
    seen = seen + 1
  end
  if #mine > 0 then redis.call('LPUSH', q .. KEY.claimed .. worker, unpack(mine)) end
  if seen > 0 then redis.call('LTRIM', q .. list, 0, -1 - seen) end
  for _, g in ipairs(garbage) do
    if not pcall(bury, q, now, g[1], g[2]) then redis.call('LPUSH', q .. list, g[1]) end
  end
  budget = budget - #mine
  return seen > 0
end

local function leave_token(q, claimable)
  if claimable then wake(q) elseif kept then redis.call('DEL', q .. KEY.wake) end
end

local function claim(q)
  local call, jobs = redis.call('HGET', q .. KEY.calls, worker), {}
  local pending, suspects = redis.call('LLEN', q .. KEY.pending), redis.call('LLEN', q .. KEY.suspects)
  local paused, own, claimable = false, false, pending + suspects > 0
  if claimable then paused, own = unpack(redis.call('HMGET', q .. KEY.state, 'paused', 'limits')) end
  local last, lease = (call or ''):match('^(%d+):(%d+)')
  local answer = not last and 'unregistered' or number < tonumber(last) and 'stale' or jobs
  if answer == jobs then
    redis.call('HSET', q .. KEY.calls, worker, number .. ':' .. lease .. ':')
    if number == tonumber(last) or ARGV[7] == '1' then held(q, jobs) end
    local mine = #jobs
    if number > tonumber(last) and claimable and not paused then
      if empty and mine == 0 and suspects > 0 then take(q, KEY.suspects, math.min(budget, 1), jobs, own) end
      if #jobs > mine or ahead and q ~= KEYS[#KEYS] then budget = 0 end -- a suspect runs alone; none is overtaken
      for _ = 1, 100 do -- past entries that are no jobs
        if not take(q, KEY.pending, budget, jobs, own) or #jobs > mine then break end
      end
      claimable = parked or redis.call('LLEN', q .. KEY.pending) + redis.call('LLEN', q .. KEY.suspects) > 0
    end
    empty = empty and #jobs == 0 -- with a job of this queue, a suspect of the next one would not be alone
  end
  pcall(leave_token, q, claimable and not paused) -- whatever is wrong with a key, jobs that were moved are answered
  return answer
end

local answers = {}
for i, q in ipairs(KEYS) do
  local ok, answer = pcall(claim, q)
  answers[i] = ok and answer or 'error ' .. tostring(type(answer) == 'table' and answer.err or answer)
end
return answers
