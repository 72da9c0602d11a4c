-- Sends one event that has no place in the history, and remembers it if asked to.
-- KEYS: 1 kept events {id -> event}, 2 their ids, oldest first, 3 newest values {type and key -> event}
-- ARGV: 1 channel, 2 event, 3 ms the room is kept, 4 mark of a cast, 5 id of an event to keep or '', 6 how many are kept,
--       7 type and key of a value to remember or '', 8 how many values are remembered
-- Returns 1, 0 if it is kept already and was not sent, 2 if it was sent and there was no room to remember it.
local done = 1
if ARGV[5] ~= '' then
  if redis.call('HSETNX', KEYS[1], ARGV[5], ARGV[2]) == 0 then
    return 0
  end
  redis.call('RPUSH', KEYS[2], ARGV[5])
  while redis.call('LLEN', KEYS[2]) > tonumber(ARGV[6]) do
    redis.call('HDEL', KEYS[1], redis.call('LPOP', KEYS[2]))
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
elseif ARGV[7] ~= '' then
  if redis.call('HEXISTS', KEYS[3], ARGV[7]) == 1 or redis.call('HLEN', KEYS[3]) < tonumber(ARGV[8]) then
    redis.call('HSET', KEYS[3], ARGV[7], ARGV[2])
    redis.call('PEXPIRE', KEYS[3], ARGV[3])
  else
    done = 2
  end
end
redis.call('PUBLISH', ARGV[1], ARGV[4] .. ARGV[2])
return done
