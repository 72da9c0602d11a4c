-- A token bucket in one number: the time at which it will be full again, in microseconds of Redis' clock.
-- KEYS[1] bucket; ARGV: burst, microseconds per token, how many have passed before this one and were not counted here.
-- Answers 0 (counted) or the microseconds to wait; those that have passed are counted either way.
-- The TTL only frees memory: a key that stays for ever gives the same answers.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local burst, every, passed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
if full < now then full = now end
full = full + passed * every
local over = full + every - now - burst * every
if over <= 0 then full, over = full + every, 0 end
if over == 0 or passed > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
end
return over
