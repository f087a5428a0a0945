-- A client came back with its token: this gateway owns the session from here on. The token before the current one is
-- good until the client has shown that it got the new one, for a reply can be lost on its way.
-- KEYS: session, sessions, results   ARGV: client, token hash, new token hash, key id, owner, now, ttl, notice
local held = redis.call('HMGET', KEYS[1], 'epoch', 'token', 'token_before', 'key_id')
if not held[1] then return {'unknown', 0} end
if held[4] ~= ARGV[4] then return {'denied', 0} end
if held[2] ~= ARGV[2] and held[3] ~= ARGV[2] then return {'denied', 0} end
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'token', ARGV[3], 'token_before', ARGV[2], 'owner', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('ZADD', KEYS[2], ARGV[6], ARGV[1])
redis.call('PUBLISH', KEYS[3], '{"epoch":' .. epoch .. '}')
return {'ok', epoch}
