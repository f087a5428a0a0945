-- Acknowledges a job unheard: a partial that nobody waits for any more.
-- KEYS: stream   ARGV: group, entry
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
return 1
