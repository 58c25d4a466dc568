#!lua flags=allow-oom
-- Says that somebody waits for a job: its end leaves a token in done:<id>. If it has ended, the token is there at once.
-- KEYS     the base of a queue
-- ARGV     id
local q, id = KEYS[1], ARGV[1]
local key, done = q .. KEY.job .. id, q .. KEY.done .. id
local status, version, names = unpack(redis.call('HMGET', key, 's', 'v', 'n'))
if version and (not status or status == 'd' or status == 'r') then
  -- the names of mailboxes come after it, see watch.lua
  if not names then
    redis.call('HSET', key, 'n', 1)
  elseif names:sub(1, 1) ~= '1' then
    redis.call('HSET', key, 'n', '1,' .. names)
  end
elseif redis.call('LLEN', done) == 0 then
  redis.call('LPUSH', done, 1)
  redis.call('PEXPIRE', done, 10000)
end
