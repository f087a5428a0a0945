-- Creates a session, or restores one that Redis lost, at this gateway's epoch.
-- KEYS: session, sessions, done   ARGV: client, epoch, now, ttl, number of done members, members…, field, value, …
local held = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '-1')
local epoch = tonumber(ARGV[2])
if held > epoch then return 'fenced' end
local members = tonumber(ARGV[5])
for i = 6, 5 + members do redis.call('SADD', KEYS[3], ARGV[i]) end
if members > 0 then redis.call('EXPIRE', KEYS[3], ARGV[4]) end
redis.call('HSET', KEYS[1], 'epoch', epoch)
for i = 6 + members, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 'ok'
