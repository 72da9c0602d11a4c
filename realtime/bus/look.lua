-- Tells where a room stands, and reads no history.
-- KEYS: 1 meta, 2 history, 3 and further: what else of the room is kept as long
-- ARGV: 1 ms the room is kept
-- Returns {epoch or '', offset, id of the newest event, {}}, which is what read.lua returns.
local epoch = redis.call('HGET', KEYS[1], 'e')
if not epoch then
  return {'', 0, '', {}}
end
-- Rooms that are watched are kept; a write now and then is enough for that.
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < tonumber(ARGV[1]) / 2 then
    redis.call('PEXPIRE', key, ARGV[1])
  end
end
return {epoch, tonumber(redis.call('HGET', KEYS[1], 'o')), redis.call('HGET', KEYS[1], 'i') or '', {}}
