#!lua flags=allow-oom
-- Says that somebody waits for jobs: the id of each is left in a mailbox when it ends. A mailbox is the list of one who
-- waits for many; its name begins with @.
-- KEYS     the base of a queue
-- ARGV     a mailbox, ids
-- Returns  the ids of those that have ended, or are not there
local q, box, over = KEYS[1], ARGV[1], {}
for i = 2, #ARGV do
  local key = q .. KEY.job .. ARGV[i]
  local job = redis.pcall('HMGET', key, 's', 'v', 'n') -- one of a wrong type is none
  local status, version, names = job[1], job[2], job[3]
  if not version or (status and status ~= 'd' and status ~= 'r') then
    over[#over + 1] = ARGV[i]
  elseif not names or #names > 1000 then -- who is forgotten here looks again in a few seconds
    redis.call('HSET', key, 'n', names and names:sub(1, 1) == '1' and '1,' .. box or box)
  elseif not (names .. ','):find(box .. ',', 1, true) then
    redis.call('HSET', key, 'n', names .. ',' .. box)
  end
end
return over
