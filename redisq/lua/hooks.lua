-- What hangs on a job: its field j, JSON. `l` are its limits (limits.lua), `u` the key under which it is the only one,
-- `log` says that it has logged something. Of workflows (next.lua): `a` it waits for other jobs, or did; `n` others wait
-- for it, `x` some of them in another queue; `w` its workflow.
local function hooks_of(j)
  local ok, hooks = pcall(cjson.decode, j)
  return ok and type(hooks) == 'table' and hooks or {}
end

-- The job does not run any more, but has not ended.
local function unhook(q, id, j)
  if j then let_go(q, id, hooks_of(j).l or {}) end
end

-- A waiting job has been given other hooks: who waits for it goes on doing so.
local function keep_ties(key, before)
  local old, hooks = hooks_of(before), hooks_of(redis.call('HGET', key, 'j') or '{}')
  if not old.n then return end
  hooks.n, hooks.x = old.n, old.x
  redis.call('HSET', key, 'j', cjson.encode(hooks))
end

local tell_dependents -- of next.lua

-- It has ended: s with a result, f as a dead letter, or c for good without one. ttl: ms for which its record is kept.
-- Answers whether it has a log.
local function run_hooks(q, now, id, j, how, text, ttl)
  local hooks = hooks_of(j)
  let_go(q, id, hooks.l or {})
  if hooks.u and redis.call('GET', q .. KEY.unique .. hooks.u) == id then
    redis.call('DEL', q .. KEY.unique .. hooks.u)
  end
  if hooks.a or hooks.n or hooks.w then tell_dependents(q, now, id, hooks, how, text, ttl) end
  return hooks.log
end
