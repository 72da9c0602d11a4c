-- Looks at a copy at one moment and changes nothing. For what it reads see gate.lua.
--
-- KEYS  those of gate.lua
-- ARGV  1 ids that are asked about: id (16 bytes) buyer (16), one after another
--       2 how many ids are looked up at most
-- Answer: nil when this epoch is not loaded, else
--       1 free units    2 units free at the timed offer (-1: no cap, or none)
--       3 1 when there were more ids than that, and part 4 is empty
--       4 of the ids under open leases and those asked about, the ones that the copy counts: id (16) buyer (16) quantity (1, as in
--         gate.lua)

local ID, ENTRY, PAIR, CHUNK = 16, 17, 32, 500
local sub = string.sub

local head = redis.call('HMGET', KEYS[1], 'free', 'timed_free')
if not head[1] or not head[2] then return false end

local pairs_of = table.concat(redis.call('HVALS', KEYS[4])) .. ARGV[1]
if #pairs_of > tonumber(ARGV[2]) * PAIR then return { tonumber(head[1]), tonumber(head[2]), 1, '' } end

local entries, names = {}, {}
for i = 1 + ID, #pairs_of, PAIR do
  local who = sub(pairs_of, i, i + ID - 1)
  if not entries[who] then
    entries[who] = ''
    names[#names + 1] = who
  end
end
for from = 1, #names, CHUNK do
  local found = redis.call('HMGET', KEYS[2], unpack(names, from, math.min(from + CHUNK - 1, #names)))
  for i = 1, #found do
    if found[i] then entries[names[from + i - 1]] = found[i] end
  end
end

local seen, counted = {}, {}
for i = 1, #pairs_of, PAIR do
  local pair = sub(pairs_of, i, i + PAIR - 1)
  if not seen[pair] then
    seen[pair] = true
    local list = entries[sub(pair, ID + 1)]
    for at = 1, #list, ENTRY do
      if sub(list, at, at + ID - 1) == sub(pair, 1, ID) then counted[#counted + 1] = pair .. sub(list, at + ID, at + ID) end
    end
  end
end
return { tonumber(head[1]), tonumber(head[2]), 0, table.concat(counted) }
