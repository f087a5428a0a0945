-- Prepended to every script that settles a job: acknowledges and deletes it, and counts its work as done.
-- XACK is the first write: 0 means that a peer was first, and a script whose first write is XACK is let through at
-- maxmemory, counters and all. load is the hash of the group's counters; nil (partials) counts nothing.
-- Returns the milliseconds of audio that the entry stands for, or nil when a peer was first.
local function settle(stream, load, group, entry)
  local ms = 0
  local found = load and redis.call('XRANGE', stream, entry, entry)[1]
  if found then
    for i = 1, #found[2], 2 do
      if found[2][i] == 'ms' then ms = tonumber(found[2][i + 1]) end
    end
  end
  if redis.call('XACK', stream, group, entry) == 0 then return nil end
  redis.call('XDEL', stream, entry)
  if ms > 0 then redis.call('HINCRBY', load, 'done_ms', ms) end
  return ms
end
