-- ARGV: shard, epoch, then for each swap: player, whether it needs the lease, what the record must start with (nothing: there
-- must be none), the next record, its owner before and after, and how many leases must be over, each as shard and epoch (no
-- epoch: whichever is the newest). The caller has judged the step; here the record is still the one that was judged, or not.
-- Answers for each 0 done, 1 the record is another, 2 fenced, or {3, shard, milliseconds left}.
local acting = live(ARGV[1], ARGV[2])

-- The first lease that must be over and is not. Those that have run out are over for good from here on.
local function blocked(first, count)
  for i = first, first + 2 * count - 1, 2 do
    local epoch, left, _, is_over = incarnation(ARGV[i])
    if epoch and not is_over and (ARGV[i + 1] == '' or ARGV[i + 1] == epoch) then
      if left > 0 then return {3, ARGV[i], whole(left)} end
      end_lease(ARGV[i])
    end
  end
end

local function is_as_judged(key, start)
  if start == '' then return redis.call('EXISTS', key) == 0 end
  return redis.call('GETRANGE', key, 0, #start - 1) == start
end

local function move(player, before, after)
  if before == after then return end
  if before ~= '' then
    redis.call('ZREM', base .. ':owned:' .. before, player)
    if redis.call('EXISTS', base .. ':owned:' .. before) == 0 then redis.call('ZREM', base .. ':owning', before) end
  else
    redis.call('ZADD', base .. ':players', 0, player)
  end
  redis.call('ZADD', base .. ':owned:' .. after, 0, player)
  redis.call('ZADD', base .. ':owning', after, after)
end

local answers = {}
local i = 3
while i <= #ARGV do
  local player, start, count = ARGV[i], ARGV[i + 2], tonumber(ARGV[i + 6])
  local key = base .. ':owner:' .. player
  local answer
  if ARGV[i + 1] == '1' and not acting then
    answer = 2
  elseif not is_as_judged(key, start) then
    answer = 1
  else
    answer = blocked(i + 7, count)
  end
  if not answer then
    redis.call('SET', key, ARGV[i + 3])
    move(player, ARGV[i + 4], ARGV[i + 5])
    answer = 0
  end
  table.insert(answers, answer)
  i = i + 7 + 2 * count
end
return answers
