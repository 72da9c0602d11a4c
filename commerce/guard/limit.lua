-- A token bucket in one number: the time at which it will be full again, in microseconds of Redis' clock.
-- KEYS[1] bucket; ARGV: burst, microseconds per token. Answers 0 (counted) or the microseconds to wait.
-- The TTL only frees memory: a key that stays for ever gives the same answers.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local burst, every = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
if full < now then full = now end
full = full + every
local over = full - now - burst * every
if over > 0 then return over end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
return 0
