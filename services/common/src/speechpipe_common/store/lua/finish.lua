-- Prepended to every script that can make a final. jobs is {target, job, target, job, …}, each of them ms milliseconds
-- of work; an empty segment leaves the segment records alone (a translation does not end its segment).
local function finish(keys, member, segment, body, jobs, ms, ttl, trace)
  if redis.call('SADD', keys.done, member) == 0 then return {'done', ''} end
  redis.call('EXPIRE', keys.done, ttl)
  if segment ~= '' then redis.call('HDEL', keys.segments, segment) end
  local ids = {}
  for i = 1, #jobs, 2 do
    ids[#ids + 1] = '"' .. jobs[i] .. '":"' .. arrive(keys.next, keys.next_load, jobs[i + 1], ms, trace) .. '"'
  end
  local map = '{' .. table.concat(ids, ',') .. '}'
  local id = redis.call('XADD', keys.results, '*', 'body', body, 'jobs', map)
  redis.call('EXPIRE', keys.results, ttl)
  redis.call('PUBLISH', keys.results, '{"id":"' .. id .. '","jobs":' .. map .. ',"body":' .. body .. '}')
  return {'final', id}
end

local function publish(results, body)
  redis.call('PUBLISH', results, '{"body":' .. body .. '}')
end
