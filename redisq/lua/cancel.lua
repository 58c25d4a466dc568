#!lua flags=allow-oom
-- include: common limits hooks finish next
-- Cancels a job. One that waits ends at once; one that runs is flagged and its worker told: however it then leaves the
-- worker's list, it is cancelled. One that has ended stays as it is.
-- KEYS     the base of a queue
-- ARGV     id, how many ended jobs to keep, TTL of a cancelled one in ms
-- Returns  the fields of the job as it then is; nothing if there is no such job
local q, id, now, key = KEYS[1], ARGV[1], now_ms(), KEYS[1] .. KEY.job .. ARGV[1]
local f = redis.call('HMGET', key, 'f', 'n', 'i', 'j', 's', 'w', 'v')
local status, worker = f[5], f[6]
if status == 'r' then
  redis.call('HSET', key, 'm', 1)
  redis.call('LPUSH', q .. KEY.control .. worker, id)
  redis.call('PEXPIRE', q .. KEY.control .. worker, 60000)
elseif f[7] and (not status or status == 'd') then
  cancel_waiting(q, now, id, 'cancelled', tonumber(ARGV[3]), f)
  list_ended(q, now, tonumber(ARGV[2]))
end
return redis.call('HGETALL', key)
