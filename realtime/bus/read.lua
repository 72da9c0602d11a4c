-- Reads where a room stands and its events from an offset on, as of one moment.
-- A room without memory, or whose epoch is the stale one, starts a new epoch.
-- KEYS: 1 meta, 2 history, 3 and further: what else of the room is kept as long
-- ARGV: 1 epoch to use for a new start, 2 ms the room is kept, 3 first offset, 4 how many, 5 stale epoch or ''
-- Returns {epoch, offset, id of the newest event, {history entries}}.
local epoch = redis.call('HGET', KEYS[1], 'e')
if not epoch or epoch == ARGV[5] then
  epoch = ARGV[1]
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'e', epoch, 'o', '0')
end
-- Rooms that are watched are kept; a write now and then is enough for that.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) / 2 then
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, ARGV[2])
  end
end
local top = tonumber(redis.call('HGET', KEYS[1], 'o'))
local id = redis.call('HGET', KEYS[1], 'i') or ''
local events = {}
if top > tonumber(ARGV[3]) then
  events = redis.call('XRANGE', KEYS[2], ARGV[3] .. '-0', '+', 'COUNT', ARGV[4])
end
return {epoch, top, id, events}
