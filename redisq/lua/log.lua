#!lua flags=allow-oom
-- Adds lines to the log of a job, if the delivery is still the worker's. Sent twice, they are added once. It goes before a
-- settlement in one write, so it fails in no case: a log is not worth a job.
-- KEYS     the base of a queue
-- ARGV     id, worker, delivery, how many lines to keep (the newest), then lines, JSON: [delivery, number of the line in
--          this delivery, …], in order
-- Returns  nothing
local q, id = KEYS[1], ARGV[1]
local key, log = q .. KEY.job .. id, q .. KEY.log .. id
local f = redis.pcall('HMGET', key, 's', 'w', 'd', 'j')
if f[1] ~= 'r' or f[2] ~= ARGV[2] or f[3] ~= ARGV[3] then return {} end

-- 0 if it is of another delivery, or there is none.
local function number(line)
  local delivery, n = tostring(line):match('^%[(%d+),(%d+),')
  return delivery == ARGV[3] and tonumber(n) or 0
end

local last, first = number(redis.pcall('LINDEX', log, -1)), 5
while first <= #ARGV and number(ARGV[first]) <= last do first = first + 1 end
if first > #ARGV then return {} end
if not (f[4] and f[4]:find('"log":', 1, true)) then -- so that its end knows of it, see finish.lua
  local ok, hooks = pcall(cjson.decode, f[4] or '{}')
  hooks = ok and type(hooks) == 'table' and hooks or {}
  hooks.log = 1
  redis.call('HSET', key, 'j', cjson.encode(hooks))
end
for i = first, #ARGV, 5000 do redis.pcall('RPUSH', log, unpack(ARGV, i, math.min(i + 4999, #ARGV))) end
redis.pcall('LTRIM', log, -ARGV[4], -1)
return {}
