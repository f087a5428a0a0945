-- Prepended to every script that puts a final or candidate on its stream: its work, milliseconds of audio, goes with it
-- and is counted. Whatever settles the job counts the same number as done.
-- trace is the context of the span that the job follows from, '' or nil where none is recorded. It stands beside the job
-- and not in it, so that workers of before, which take no unknown field in a job, pass over it.
local function arrive(stream, load, job, ms, trace)
  local fields = {'job', job, 'ms', ms}
  if trace and trace ~= '' then
    fields[5], fields[6] = 'trace', trace
  end
  local id = redis.call('XADD', stream, '*', unpack(fields))
  redis.call('HINCRBY', load, 'arrived_ms', ms)
  redis.call('HINCRBY', load, 'arrived_jobs', 1)
  return id
end
