#!lua
-- include: common put limits hooks
-- Enqueues a job that is to be the only one under its key. If there is one, nothing is made; one that waits may get what
-- the new call says.
-- KEYS     the base of a queue
-- ARGV     key, 'finished', 'started' or for how many ms it is the only one, '1' to replace what a waiting one says,
--          '1' to write a field in any case, the bound of a feed, then what put() reads
-- Returns  {id of the job that has the key, as enqueue.lua}
local q, entry, now, ready = KEYS[1], KEYS[1] .. KEY.unique .. ARGV[1], now_ms(), {}
local scope, replace = ARGV[2], ARGV[3] == '1'
local holder = redis.call('GET', entry)
local key = q .. KEY.job .. (holder or '')
local status, version, hooks = unpack(redis.call('HMGET', key, 's', 'v', 'j'))
local waits = version and (not status or status == 'd')

-- The waiting one does what this call asks for. One that is scheduled is so anew.
local function overwrite()
  redis.call('HDEL', key, 'o', 'ex', 'sg')
  if hooks and hooks:find('"log":', 1, true) then redis.call('UNLINK', q .. KEY.log .. holder) end -- of what it is no more
  redis.call('HSET', key, unpack(ARGV, 10, 9 + ARGV[9]))
  if hooks then keep_ties(key, hooks) end
  local deadline = redis.call('HGET', key, 'ex')
  if deadline then redis.call('HSET', key, 'ex', -at(tonumber(deadline), now)) end -- from this call on, not from the first
  if status == 'd' and redis.call('ZSCORE', q .. KEY.scheduled, holder) then schedule(q, holder, at(tonumber(ARGV[7]), now)) end
end

local taken = holder and (tonumber(scope) or waits or status == 'r' and scope ~= 'started')
if not taken or holder == ARGV[6] then
  redis.call('LLEN', q .. KEY.pending) -- a key of a wrong type shows here, before anything is written
  local _, answer = put(q, now, 6, ready, ARGV[4] == '1', tonumber(ARGV[5]))
  if answer == now then
    redis.call('SET', entry, ARGV[6])
    if tonumber(scope) then redis.call('PEXPIRE', entry, scope) end
  end
  queue_up(q, ready)
  return { ARGV[6], answer }
end
if replace and waits then overwrite() end
if ARGV[4] == '1' and version then redis.call('HSET', key, 'e', redis.call('HGET', key, 'e')) end
return { holder, version and redis.call('HGETALL', key) or { 'v', '1', 's', 's' } }
