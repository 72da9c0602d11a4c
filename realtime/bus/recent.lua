-- Reads what somebody who joins should know of a room's casts, as of one moment.
-- KEYS: 1 kept events {id -> event}, 2 their ids, oldest first, 3 newest values, 4 viewers (see count.lua)
-- Returns {kept events, oldest first, then the values, in no order}.
local out = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  local event = redis.call('HGET', KEYS[1], id)
  if event then
    out[#out + 1] = event
  end
end
for _, event in ipairs(redis.call('HVALS', KEYS[3])) do
  out[#out + 1] = event
end
local viewers = redis.call('HGET', KEYS[4], '=event')
if viewers then
  out[#out + 1] = viewers
end
return out
