-- The pause became the end: the stored candidate is the final, or will be as soon as it is decoded.
-- KEYS: session, results, done, candidates, segments, next stream, next load
-- ARGV: epoch, member, segment, rev, ttl, record
local bad = fence(KEYS[1], tonumber(ARGV[1]))
if bad then return {bad, ''} end
if redis.call('SISMEMBER', KEYS[3], ARGV[2]) == 1 then return {'done', ''} end
local field = ARGV[3] .. ':' .. ARGV[4]
local stored = redis.call('HGET', KEYS[4], field)
if stored and stored ~= 'wanted' then
  redis.call('HDEL', KEYS[4], field)
  local outcome = cmsgpack.unpack(stored)
  local keys = {results = KEYS[2], done = KEYS[3], segments = KEYS[5], next = KEYS[6], next_load = KEYS[7]}
  return finish(keys, ARGV[2], ARGV[3], outcome[1], outcome[2], outcome[3] or 0, ARGV[5], outcome[4])
end
redis.call('HSET', KEYS[4], field, 'wanted')
redis.call('EXPIRE', KEYS[4], ARGV[5])
-- Whoever takes the session over must not go on with a segment that has ended here, and cut it in another place.
redis.call('HSET', KEYS[5], ARGV[3], ARGV[6])
redis.call('EXPIRE', KEYS[5], ARGV[5])
return {'wanted', ''}
