-- What is kept of a failed attempt: a line of JSON in the job's `hi`, for the last 20: [number, started, ended, error].
local MOST, LONGEST = 20, 500

-- The beginning of a text, in bytes, cut where no character is.
local function beginning(text)
  if #text <= LONGEST then return text end
  return (text:sub(1, LONGEST):gsub('[\192-\255][\128-\191]*$', ''))
end

-- Names and values for the record of a job whose attempt has failed, beside its error.
local function failure(key, now, text, trace)
  local attempts, started, lines = unpack(redis.call('HMGET', key, 'a', 'c', 'hi'))
  local line = cjson.encode({ (tonumber(attempts) or 0) + 1, tonumber(started) or now, now, beginning(text) })
  lines = lines and lines .. '\n' .. line or line
  if select(2, lines:gsub('\n', '')) >= MOST then lines = lines:sub(lines:find('\n') + 1) end
  return 'tb', trace, 'hi', lines
end
