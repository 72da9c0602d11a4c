-- Reads where a room stands and its events from an offset on, as of one moment.
-- A room without memory, or whose epoch is the stale one, starts a new epoch.
-- KEYS: 1 meta, 2 history
-- ARGV: 1 epoch to use for a new start, 2 stale epoch or '', 3 first offset, 4 how many or 0, 5 ms the room is kept
-- Returns {epoch, offset, id of the newest event, {history entries}}.
local epoch = redis.call('HGET', KEYS[1], 'e')
if not epoch or epoch == ARGV[2] then
  epoch = ARGV[1]
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'e', epoch, 'o', '0')
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
local top = tonumber(redis.call('HGET', KEYS[1], 'o'))
local id = redis.call('HGET', KEYS[1], 'i') or ''
local events = {}
if tonumber(ARGV[4]) > 0 and top > tonumber(ARGV[3]) then
  events = redis.call('XRANGE', KEYS[2], ARGV[3] .. '-0', '+', 'COUNT', ARGV[4])
end
return {epoch, top, id, events}
