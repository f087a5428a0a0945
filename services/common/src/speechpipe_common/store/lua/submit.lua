-- Puts a job on a stream, unless it is done, still queued from before, or (partials) the queue is full.
-- KEYS: session, stream, done, segments, sibling stream, audio block, audio block, …, load (none: a partial)
-- ARGV: epoch, member, segment, record ('' for text), job, previous entry, deepest queue (0: no limit), ttl, audio ttl,
--       work in ms, trace (none: a partial)
local ms = ARGV[10]
local load = ms and KEYS[#KEYS]
local last_block = ms and #KEYS - 1 or #KEYS
local bad = fence(KEYS[1], tonumber(ARGV[1]))
if bad then return {bad, ''} end
if redis.call('SISMEMBER', KEYS[3], ARGV[2]) == 1 then return {'done', ''} end
if ARGV[6] ~= '' and #redis.call('XRANGE', KEYS[2], ARGV[6], ARGV[6]) > 0 then
  for i = 6, last_block do redis.call('EXPIRE', KEYS[i], ARGV[9]) end
  return {'queued', ARGV[6]}
end
local deepest = tonumber(ARGV[7])
if deepest > 0 and redis.call('XLEN', KEYS[2]) + redis.call('XLEN', KEYS[5]) >= deepest then return {'shed', ''} end
local id = ms and arrive(KEYS[2], load, ARGV[5], ms, ARGV[11]) or redis.call('XADD', KEYS[2], '*', 'job', ARGV[5])
for i = 6, last_block do redis.call('EXPIRE', KEYS[i], ARGV[9]) end
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[4], ARGV[3], ARGV[4])
  redis.call('EXPIRE', KEYS[4], ARGV[8])
end
return {'ok', id}
