#!lua flags=allow-oom
-- include: common limits hooks finish
-- A feed's reader has noted how these jobs ended: from now on their records last no longer than their results.
-- KEYS     the base of the queue of the jobs
-- ARGV     ids
local q, now = KEYS[1], now_ms()
for _, id in ipairs(ARGV) do
  local key = q .. KEY.job .. id
  local ttl, named, status, feed, j = unpack(redis.call('HMGET', key, 'g', 'i', 's', 'f', 'j'))
  if ttl and redis.call('HEXISTS', q .. KEY.feed .. feed .. ':' .. KEY.job .. id, 'n') == 0 then
    redis.call('HDEL', key, 'g')
    local dead = status == 'f' and redis.call('ZSCORE', q .. KEY.dead, id)
    if (status == 's' or status == 'c' or status == 'f') and not dead then
      expire(key, now, tonumber(ttl), named)
      if j and hooks_of(j).log then redis.call('PEXPIRE', q .. KEY.log .. id, ttl) end
    end
  end
end
