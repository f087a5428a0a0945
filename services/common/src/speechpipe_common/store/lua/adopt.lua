-- The sweeper takes a session whose gateway has not been heard of, unless somebody else did meanwhile.
-- KEYS: session, sessions   ARGV: client, stale before, now, owner
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not score or tonumber(score) > tonumber(ARGV[2]) then return 0 end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 0
end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('HSET', KEYS[1], 'owner', ARGV[4])
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)
