-- Deletes audio that no final needs any more; with leave = 1 the session needs no sweeper either.
-- KEYS: session, sessions, audio block, audio block, …   ARGV: client, epoch, leave
local bad = fence(KEYS[1], tonumber(ARGV[2]))
if bad then return bad end
for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end
if ARGV[3] == '1' then redis.call('ZREM', KEYS[2], ARGV[1]) end
return 'ok'
