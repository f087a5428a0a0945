-- Acknowledges a job unheard: nobody waits for it any more.
-- KEYS: stream, load (none: a partial)   ARGV: group, entry
return settle(KEYS[1], KEYS[2], ARGV[1], ARGV[2]) and 1 or 0
