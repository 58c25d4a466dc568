-- What hangs on a job: its field j, JSON. `l` are its limits (limits.lua), `u` the key under which it is the only one,
-- `log` says that it has logged something.
local function hooks_of(j)
  local ok, hooks = pcall(cjson.decode, j)
  return ok and type(hooks) == 'table' and hooks or {}
end

-- The job does not run any more, but has not ended.
local function unhook(q, id, j)
  if j then let_go(q, id, hooks_of(j).l or {}) end
end

-- It has ended. Whether it has a log.
local function run_hooks(q, id, j)
  local hooks = hooks_of(j)
  let_go(q, id, hooks.l or {})
  if hooks.u and redis.call('GET', q .. KEY.unique .. hooks.u) == id then
    redis.call('DEL', q .. KEY.unique .. hooks.u)
  end
  return hooks.log
end
