-- A worker settles a job whose result is only published: a partial, or an attempt to be made again.
-- KEYS: stream, results, done   ARGV: group, entry, done member, body
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return {'peer', ''} end
redis.call('XDEL', KEYS[1], ARGV[2])
if redis.call('SISMEMBER', KEYS[3], ARGV[3]) == 1 then return {'done', ''} end
publish(KEYS[2], ARGV[4])
return {'published', ''}
