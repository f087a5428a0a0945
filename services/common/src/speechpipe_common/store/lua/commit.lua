-- A worker settles a final or a candidate.
-- KEYS: stream, results, done, candidates, segments, load, next stream, next load
-- ARGV: group, entry, kind, member, segment, rev, body, ttl, trace, target, job, target, job, …
local ms = settle(KEYS[1], KEYS[6], ARGV[1], ARGV[2])
if not ms then return {'peer', ''} end
-- The first such text outside a string of the JSON, inside which its quotes would be escaped.
local function as_final(body) return (string.gsub(body, '"kind":"candidate"', '"kind":"final"', 1)) end

local keys = {results = KEYS[2], done = KEYS[3], segments = KEYS[5], next = KEYS[7], next_load = KEYS[8]}
local kind, member, ttl, trace = ARGV[3], ARGV[4], ARGV[8], ARGV[9]
local jobs = {}
for i = 10, #ARGV do jobs[#jobs + 1] = ARGV[i] end

if kind == 'final' then return finish(keys, member, ARGV[5], ARGV[7], jobs, ms, ttl, trace) end
if redis.call('SISMEMBER', KEYS[3], member) == 1 then return {'done', ''} end

-- A candidate: the gateway may have promoted it before it was decoded.
local field = ARGV[5] .. ':' .. ARGV[6]
if redis.call('HGET', KEYS[4], field) == 'wanted' then
  redis.call('HDEL', KEYS[4], field)
  return finish(keys, member, ARGV[5], as_final(ARGV[7]), jobs, ms, ttl, trace)
end
redis.call('HSET', KEYS[4], field, cmsgpack.pack({as_final(ARGV[7]), jobs, ms, trace}))
redis.call('EXPIRE', KEYS[4], ttl)
publish(KEYS[2], ARGV[7])
return {'stored', ''}
