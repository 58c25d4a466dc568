local function is_id(entry) return #entry > 0 and #entry <= 128 and not entry:find('[^%w_.:-]') end

local function is_count(text, most) return not text or #text <= most and text:find('^%d+$') end

-- Whether an entry is an id, and its record one whose numbers can be read: d, v, e, a and u of claim.lua's row.
local function is_sound(id, job)
  return not job.err and job[3] and is_count(job[3], 9) and is_count(job[2], 14) and is_count(job[7], 14)
    and is_count(job[8], 9) and is_count(job[9], 9) and is_id(id)
end

-- Puts an entry that names no readable job into the dead letters, with its bytes. One that cannot be an id gets one.
local function bury(q, now, entry, record)
  local id, why = entry, 'no record of this job was found'
  if record.err or not is_id(entry) then
    id = 'garbage-' .. now .. '-' .. redis.sha1hex(entry):sub(1, 12)
    why = record.err and 'not a job: ' .. record.err or 'not a job id'
    if not record.err then redis.pcall('RENAME', q .. KEY.job .. entry, q .. KEY.job .. id) end
  elseif redis.call('HEXISTS', q .. KEY.job .. id, 'v') == 1 then
    why = 'its record cannot be read'
  end
  redis.call('ZADD', q .. KEY.dead, now, id)
  redis.call('HDEL', q .. KEY.job .. id, 'd', 'a', 'u', 'k', 'q', 'p', 'c', 'w')
  redis.call('HSET', q .. KEY.job .. id, 'v', 1, 'e', now, 'z', now, 's', 'f', 'x', why)
  redis.call('HSETNX', q .. KEY.job .. id, 'b', entry)
end
