-- Heartbeat of a session, with fields that changed.
-- KEYS: session, sessions, results, segments, candidates, done   ARGV: client, epoch, now, ttl, field, value, …
local bad = fence(KEYS[1], tonumber(ARGV[2]))
if bad then return bad end
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
for i = 3, 6 do redis.call('EXPIRE', KEYS[i], ARGV[4]) end
return 'ok'
