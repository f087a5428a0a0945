-- Gives a job up: it goes to the dead letters with the reason, and the client hears of it once.
-- KEYS: stream, dead letters, results, done, candidates, segments, load
-- ARGV: group, entry, payload, reason, deliveries, at, kind ('' where the payload could not be read), member, segment,
--       rev, failure body, ttl
if not settle(KEYS[1], KEYS[7], ARGV[1], ARGV[2]) then return {'peer', ''} end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', '10000', '*', 'stream', KEYS[1], 'entry', ARGV[2], 'job', ARGV[3],
  'reason', ARGV[4], 'deliveries', ARGV[5], 'at', ARGV[6])
local keys = {results = KEYS[3], done = KEYS[4], segments = KEYS[6]}
if ARGV[7] == 'final' then return finish(keys, ARGV[8], ARGV[9], ARGV[11], {}, 0, ARGV[12]) end
if ARGV[7] == 'candidate' then
  -- Kept as the candidate's outcome, so that promoting it tells the client, and nothing is decoded again.
  local field = ARGV[9] .. ':' .. ARGV[10]
  if redis.call('HGET', KEYS[5], field) == 'wanted' then
    redis.call('HDEL', KEYS[5], field)
    return finish(keys, ARGV[8], ARGV[9], ARGV[11], {}, 0, ARGV[12])
  end
  redis.call('HSET', KEYS[5], field, cmsgpack.pack({ARGV[11], {}}))
  redis.call('EXPIRE', KEYS[5], ARGV[12])
end
return {'buried', ''}
