-- Appends audio at a known length, or says what the length is: SETRANGE past the end would fill with zeros, and a
-- repeated APPEND would double.
-- KEYS: session, block   ARGV: epoch, expected length, ttl, bytes
local bad = fence(KEYS[1], tonumber(ARGV[1]))
if bad then return {bad, 0} end
local have = redis.call('STRLEN', KEYS[2])
if have ~= tonumber(ARGV[2]) then return {'at', have} end
local length = redis.call('APPEND', KEYS[2], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return {'ok', length}
