-- Takes one node's share of a room's viewers, and casts the sum when it has changed or was long not said.
-- The deadlines are by the clock of Redis, so that no node's clock matters.
-- KEYS: 1 viewers {node -> "deadline count"}, and what was said last: '=sum', '=at' in ms, '=event'
-- ARGV: 1 node, 2 its viewers, 3 ms a share stands, 4 ms after which the sum is said again, 5 channel, 6 mark of a cast,
--       7 event up to the sum, 8 event behind it
-- Returns {sum, 1 if it was cast}.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local stands = tonumber(ARGV[3])
if tonumber(ARGV[2]) > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %s', now + stands, ARGV[2]))
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
local sum, said, at = 0, nil, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local name, value = all[i], all[i + 1]
  if name == '=sum' then
    said = tonumber(value)
  elseif name == '=at' then
    at = tonumber(value)
  elseif name ~= '=event' then
    local deadline, count = string.match(value, '^(%d+) (%d+)$')
    -- A deadline further away than any can be is from before the clock was set back.
    if deadline and tonumber(deadline) > now and tonumber(deadline) <= now + stands then
      sum = sum + tonumber(count)
    else
      redis.call('HDEL', KEYS[1], name)
    end
  end
end
local cast = 0
-- A room that nobody is in and nothing was said of needs no word.
if sum ~= (said or 0) or (said and (now - at >= tonumber(ARGV[4]) or now < at)) then
  cast = 1
  local event = ARGV[7] .. string.format('%d', sum) .. ARGV[8]
  redis.call('HSET', KEYS[1], '=sum', string.format('%d', sum), '=at', string.format('%d', now), '=event', event)
  redis.call('PUBLISH', ARGV[5], ARGV[6] .. event)
end
if sum == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return {sum, cast}
