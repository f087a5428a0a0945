-- A worker settles a job whose result is only published: a partial, or an attempt to be made again.
-- KEYS: stream, results, done, load (none: a partial)   ARGV: group, entry, done member, body
if not settle(KEYS[1], KEYS[4], ARGV[1], ARGV[2]) then return {'peer', ''} end
if redis.call('SISMEMBER', KEYS[3], ARGV[3]) == 1 then return {'done', ''} end
publish(KEYS[2], ARGV[4])
return {'published', ''}
