-- The gate: answers many taps of one pool in one call. It admits; Postgres decides.
--
-- KEYS  1 head     hash: free, cap, version, opens, closes, due (times in ms; 0 is none); of the timed offer: timed (its
--                  version, 0 is none), timed_opens, timed_closes, timed_free (-1 is no cap); stamp: how many calls have admitted
--       2 buyers   hash: buyer (16 bytes) -> entries of id (16 bytes) and quantity (1 byte; 16 is added for units at
--                  the timed offer, 32 for units beside it, see answer B)
--       3 leases   zset: tag -> when the lease lapses, ms
--       4 tags     hash: tag -> entries of id (16) and buyer (16) that the call of this tag admitted
-- ARGV  1 tag of this call (16 bytes)
--       2 length of a lease, ms
--       3 taps: id (16) buyer (16) quantity (1; 128 is added when it is not to be answered R any more) offer version
--         (4, big endian), one after another
--       4 tags that are settled: their ids have been judged by Postgres
--       5 units that come back: id (16) buyer (16); an id that is not here is ignored, so saying it twice is safe
--       6 how to take 7: "" not at all, "min" when earlier than known, "set" as it is
--       7 due: the earliest deadline of a hold, ms
--       8 the stamp of the caller's roster (roster.lua), -1 when it has none
--       9 what is wished by buyers who are not on that roster: quantity and offer version as in 3, each wish once
-- Answer: nil when this epoch is not loaded, else an array:
--       1 one letter per tap: A admitted, P present already, S sold out, L limit, N not open, C closed,
--         V the wrong offer: another version, the timed one outside of its window or without so many units left,
--           or the standing one while the timed one has so many,
--         B admitted at the standing offer beside a timed one that is on and has too few units left, Q present and was B,
--         R too few free but something has lapsed: release it and ask again
--       2 free units now    3 number of leases that are open    4 units free at the timed offer (-1: no cap, or none)
--       5 one letter per wish, as in 1, or U: ask in full, since the roster is old or there are units
--       6 the stamp now
--       7.. tag, ids of each lapsed lease (a few per call; each is shown again a second later until settled)
--
-- A surge is many taps per call, so a call asks Redis a handful of times however many taps it has: each redis.call costs
-- more than judging a tap. Only string.byte/sub/char are used on binary data: not every Redis-like store has struct or bit.

local ID, WHO, TAP, ENTRY, PAIR, WISH = 16, 16, 37, 17, 32, 5
local LAPSED_PER_CALL, SHOW_AGAIN = 8, 1000
local CHUNK = 500 -- values in one redis.call: Lua's stack is bounded
local byte, sub, char, floor, min, call = string.byte, string.sub, string.char, math.floor, math.min, redis.call

local TIMED, BESIDE, NO_RELEASE = 16, 32, 128

local head = call('HMGET', KEYS[1], 'free', 'cap', 'version', 'opens', 'closes', 'due', 'timed', 'timed_opens', 'timed_closes', 'timed_free', 'stamp')
if not head[1] or not head[7] then return false end -- no copy, or one of a program that knew no timed offers
local free, cap, version = tonumber(head[1]), tonumber(head[2]), tonumber(head[3])
local opens, closes, due = tonumber(head[4]), tonumber(head[5]), tonumber(head[6])
local timed, timed_opens, timed_closes, timed_free = tonumber(head[7]), tonumber(head[8]), tonumber(head[9]), tonumber(head[10])
local free_before, due_before, timed_before = free, due, timed_free
local taps, back, wishes = ARGV[3], ARGV[5], ARGV[9]
local stamp = tonumber(head[11] or -1) -- -1: of a program that counts none

local clock = call('TIME')
local now = tonumber(clock[1]) * 1000 + floor(tonumber(clock[2]) / 1000)
local timed_on = timed > 0 and timed_opens <= now and now < timed_closes

local function has(n, bit) return floor(n / bit) % 2 == 1 end

-- Entries of the buyers that this call is about, who have any. A buyer may be asked about twice: that costs less than
-- remembering who has been.
local entries, names, changed = {}, {}, {}
local asked = 0
for i = 1 + ID, #taps, TAP do
  asked = asked + 1
  names[asked] = sub(taps, i, i + WHO - 1)
end
for i = 1 + ID, #back, PAIR do names[#names + 1] = sub(back, i, i + WHO - 1) end
for from = 1, #names, CHUNK do
  local last = min(from + CHUNK - 1, #names)
  local found = call('HMGET', KEYS[2], unpack(names, from, last))
  for i = from, last do
    local list = found[i - from + 1]
    if list then entries[names[i]] = list end
  end
end
local function write(who, list)
  entries[who] = list
  changed[#changed + 1] = who
end

-- find answers the place and the last byte of id among a buyer's entries, and the quantity of all of them.
local function find(list, id)
  local at, found, total = nil, 0, 0
  for i = 1, #list, ENTRY do
    local n = byte(list, i + ID)
    total = total + n % TIMED
    if sub(list, i, i + ID - 1) == id then at, found = i, n end
  end
  return at, found, total
end

local settled = {}
for i = 1, #ARGV[4], ID do settled[#settled + 1] = sub(ARGV[4], i, i + ID - 1) end
for from = 1, #settled, CHUNK do
  local last = min(from + CHUNK - 1, #settled)
  call('ZREM', KEYS[3], unpack(settled, from, last))
  call('HDEL', KEYS[4], unpack(settled, from, last))
end

for i = 1, #back, PAIR do
  local who = sub(back, i + ID, i + PAIR - 1)
  local list = entries[who]
  local at, n
  if list then at, n = find(list, sub(back, i, i + ID - 1)) end
  if at then
    write(who, sub(list, 1, at - 1) .. sub(list, at + ENTRY))
    free = free + n % TIMED
    if has(n, TIMED) and timed_free >= 0 then timed_free = timed_free + n % TIMED end
  end
end

if ARGV[6] == 'set' then
  due = tonumber(ARGV[7])
elseif ARGV[6] == 'min' then
  local d = tonumber(ARGV[7])
  if d > 0 and (due == 0 or d < due) then due = d end
end

local lapsed = call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, LAPSED_PER_CALL)
local something_lapsed = #lapsed > 0 or (due > 0 and due <= now)

-- judge answers one tap that is not here yet.
local function judge(quantity, offer, total, may_wait)
  if closes > 0 and now >= closes then return 'C' end
  if now < opens then return 'N' end
  local at_timed = timed > 0 and offer == timed
  if at_timed and not timed_on or not at_timed and offer ~= version then return 'V' end
  local short = timed_on and timed_free >= 0 and quantity > timed_free
  if timed_on and quantity <= free then
    -- What has lapsed may be units of the timed offer, which are to be had first.
    if short and may_wait then return 'R' end
    if at_timed and short or not at_timed and not short then return 'V' end
  end
  if cap > 0 and total + quantity > cap then return may_wait and 'R' or 'L' end
  if quantity > free then return may_wait and 'R' or 'S' end
  return not at_timed and timed_on and 'B' or 'A'
end

-- of reads a wish: quantity, offer version, whether it may be answered R.
local function of(wish)
  local quantity, v1, v2, v3, v4 = byte(wish, 1, WISH)
  return quantity % NO_RELEASE, ((v1 * 256 + v2) * 256 + v3) * 256 + v4, something_lapsed and quantity < NO_RELEASE
end

-- Who is not on a roster that is still true has nothing here, so one answer serves all who wish the same. It is given before
-- this call admits anybody.
local refused = {}
for i = 1, #wishes, WISH do
  local answer = 'U'
  if stamp >= 0 and stamp == tonumber(ARGV[8]) then
    local quantity, offer, may_wait = of(sub(wishes, i, i + WISH - 1))
    answer = judge(quantity, offer, 0, may_wait)
    if answer == 'A' or answer == 'B' then answer = 'U' end
  end
  refused[#refused + 1] = answer
end

-- Most taps of a surge lose, and lose alike: what was said to one who has nothing here holds for the next, until units go.
local answers, admitted, said = {}, {}, {}
for tap = 1, asked do
  local start = (tap - 1) * TAP
  local who = names[tap]
  local list = entries[who]
  local wish = sub(taps, start + PAIR + 1, start + TAP) -- quantity and offer
  local answer = not list and said[wish]
  if not answer then
    local quantity, offer, may_wait = of(wish)
    local id = sub(taps, start + 1, start + ID)
    local at, n, total = nil, 0, 0
    if list then at, n, total = find(list, id) end
    if at then answer = has(n, BESIDE) and 'Q' or 'P'
    else answer = judge(quantity, offer, total, may_wait) end
    if answer == 'A' or answer == 'B' then
      local entry = quantity
      free = free - quantity
      if answer == 'B' then entry = entry + BESIDE
      elseif offer == timed then
        entry = entry + TIMED
        if timed_free >= 0 then timed_free = timed_free - quantity end
      end
      write(who, (list or '') .. id .. char(entry))
      admitted[#admitted + 1] = id .. who
      if next(said) then said = {} end
    elseif not list then
      said[wish] = answer
    end
  end
  answers[tap] = answer
end

local set, gone = {}, {}
local function flush(command, list)
  if #list > 0 then call(command, KEYS[2], unpack(list)) end
  return {}
end
for i = 1, #changed do
  local who = changed[i]
  if entries[who] == '' then gone[#gone + 1] = who
  else set[#set + 1], set[#set + 2] = who, entries[who] end
  if #gone == CHUNK then gone = flush('HDEL', gone) end
  if #set == CHUNK then set = flush('HSET', set) end
end
flush('HDEL', gone)
flush('HSET', set)
if #admitted > 0 then
  call('ZADD', KEYS[3], now + tonumber(ARGV[2]), ARGV[1])
  call('HSET', KEYS[4], ARGV[1], table.concat(admitted))
  stamp = stamp + 1
end
if #admitted > 0 or free ~= free_before or due ~= due_before or timed_free ~= timed_before then
  call('HSET', KEYS[1], 'free', free, 'due', due, 'timed_free', timed_free, 'stamp', stamp)
end

local result = { table.concat(answers), free, call('ZCARD', KEYS[3]), timed_free, table.concat(refused), stamp }
for _, tag in ipairs(lapsed) do
  call('ZADD', KEYS[3], now + SHOW_AGAIN, tag)
  result[#result + 1] = tag
  result[#result + 1] = call('HGET', KEYS[4], tag) or ''
end
return result
