-- Prepended to every script that puts a final or candidate on its stream: its work, milliseconds of audio, goes with it
-- and is counted. Whatever settles the job counts the same number as done.
local function arrive(stream, load, job, ms)
  local id = redis.call('XADD', stream, '*', 'job', job, 'ms', ms)
  redis.call('HINCRBY', load, 'arrived_ms', ms)
  redis.call('HINCRBY', load, 'arrived_jobs', 1)
  return id
end
