#!lua flags=allow-oom
-- include: common limits hooks finish next parents
-- Has a job tell one of another queue of its end.
-- KEYS     the base of the queue of the job that is to tell
-- ARGV     its id, full id of the one that waits for it
-- Returns  nothing, or, if it has ended, how (s, f, c) and its result or error, as arrive.lua takes it
local how, text = link(KEYS[1], ARGV[1], ARGV[2])
if not how then return false end
return { how, text }
