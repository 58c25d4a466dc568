#!lua
-- include: common limits
-- Sets the limits of a queue. Those that wait for their turn under the old ones are looked at anew.
-- KEYS     the base of a queue
-- ARGV     the limits as JSON (see limits.lua), their key '='; '' for none
local q = KEYS[1]
if ARGV[1] == '' then redis.call('HDEL', q .. KEY.state, 'limits') else redis.call('HSET', q .. KEY.state, 'limits', ARGV[1]) end
for _, id in ipairs(redis.call('ZRANGE', q .. KEY.turn .. '=', 0, 9999, 'REV')) do bring_on(q, id) end
redis.call('DEL', q .. KEY.turn .. '=')
