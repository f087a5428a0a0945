-- Prepended to every script of a gateway. A gateway writes with its epoch: a higher one in Redis means that another
-- gateway took the session over ('fenced'); a lower one or none means that Redis lost its last writes ('lost') and the
-- gateway must restore the session before it goes on.
local function fence(session, epoch)
  local held = tonumber(redis.call('HGET', session, 'epoch') or '-1')
  if held > epoch then return 'fenced' end
  if held < epoch then return 'lost' end
  return nil
end
