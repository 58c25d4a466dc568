-- Puts an entry that names no readable job into the dead letters, with its bytes. One that cannot be an id gets one.
local function bury(q, now, entry, record)
  local id, why = entry, 'no record of this job was found'
  if record.err or entry == '' or #entry > 128 or entry:find('[^%w_.:-]') then
    id = 'garbage-' .. now .. '-' .. redis.sha1hex(entry):sub(1, 12)
    why = record.err and 'not a job: ' .. record.err or 'not a job id'
  end
  redis.call('HSET', q .. KEY.job .. id, 'v', 1, 'e', now, 'z', now, 's', 'f', 'x', why, 'b', entry)
  redis.call('ZADD', q .. KEY.dead, now, id)
end
