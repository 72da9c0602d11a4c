-- Publishes one event, once per id.
-- KEYS: 1 meta {e epoch, o offset, i id of the newest event}, 2 history, 3 the id's memory
-- ARGV: 1 epoch to use if there is none, 2 history limit, 3 ms the room is kept, 4 ms the id is kept,
--       5 channel, 6 id, 7 event
-- Returns {offset, 1 if it was new}.
local before = redis.call('GET', KEYS[3])
if before then
  return {tonumber(before), 0}
end
local epoch = redis.call('HGET', KEYS[1], 'e')
if not epoch then
  epoch = ARGV[1]
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'e', epoch, 'o', '0')
end
local offset = redis.call('HINCRBY', KEYS[1], 'o', 1)
redis.call('HSET', KEYS[1], 'i', ARGV[6])
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[2], string.format('%d-0', offset), 'p', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('SET', KEYS[3], string.format('%d', offset), 'PX', ARGV[4])
redis.call('PUBLISH', ARGV[5], epoch .. ' ' .. string.format('%d', offset) .. ' ' .. ARGV[7])
return {offset, 1}
