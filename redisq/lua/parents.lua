-- How a job comes to wait for others: a part of the scripts that make jobs.

-- Has a job tell another of its end. If it has ended, or is not there, answers how, and its result or error.
local function link(q, id, child)
  local key = q .. KEY.job .. id
  local v, status, j, result, why = unpack(redis.call('HMGET', key, 'v', 's', 'j', 'r', 'x'))
  if not v then return 'c', 'there is no such job' end
  if status == 's' then return 's', result or '' end
  if status == 'c' then return 'c', why or '' end
  local hooks, here = hooks_of(j or '{}'), child:sub(1, #full_id(q, '')) == full_id(q, '')
  redis.call('RPUSH', q .. KEY.next .. id, child)
  if not hooks.n or not (here or hooks.x) then
    hooks.n, hooks.x = 1, not here and 1 or hooks.x
    redis.call('HSET', key, 'j', cjson.encode(hooks))
  end
  if status == 'f' then return 'f', why or '' end -- it may be queued again: who waits for its success goes on waiting
end

-- The job has just been made, scheduled for never; its hooks say for what it waits: `a` parents, `m` mode, `d` due.
local function wait_for_parents(q, now, id)
  local key, me = q .. KEY.after .. id, full_id(q, id)
  local hooks = hooks_of(redis.call('HGET', q .. KEY.job .. id, 'j'))
  local parents = hooks.a
  redis.call('HSET', key, 'left', #parents, 'mode', hooks.m, 'due', hooks.d, 'bytes', 0)
  for number, parent in ipairs(parents) do redis.call('HSET', key, parent, number) end
  hooks.a, hooks.m, hooks.d = 1, nil, nil
  redis.call('HSET', q .. KEY.job .. id, 'j', cjson.encode(hooks))
  for _, parent in ipairs(parents) do
    local queue, parent_id = parent:match('^(.-)%.(.+)$')
    if queue .. '.' ~= full_id(q, '') then
      send(q, queue, 'link', parent_id, me)
    else
      local how, text = 'c', 'there is no such job'
      if parent ~= me then how, text = link(q, parent_id, me) end
      if how then arrive(q, now, id, parent, how, text, MOST_AT_ONCE) end
    end
  end
end

-- Makes a job as put() does. One that is due never waits for others; of it, the fields are answered.
local function put_any(q, now, i, ready, touch, bound)
  local following, answer = put(q, now, i, ready, touch, bound)
  if ARGV[i + 1] == 'inf' and answer == now then
    wait_for_parents(q, now, ARGV[i])
    answer = redis.call('HGETALL', q .. KEY.job .. ARGV[i])
  end
  return following, answer
end
