-- Lists the buyers who have something in a copy, at one moment. For what it reads see gate.lua.
--
-- KEYS  those of gate.lua
-- ARGV  1 how many buyers are listed at most
-- Answer: nil when this epoch is not loaded, counts no calls, or has more buyers, else
--       1 its stamp    2 the buyers (16 bytes each), one after another

local stamp = tonumber(redis.call('HGET', KEYS[1], 'stamp') or -1)
if stamp < 0 or redis.call('HLEN', KEYS[2]) > tonumber(ARGV[1]) then return false end
return { stamp, table.concat(redis.call('HKEYS', KEYS[2])) }
