-- ARGV: shard, epoch, the fence as bytes, the log's bounds in entries and bytes, the requests' bound, the requesting player,
-- the request's number, the log entry, the answer to remember, then for each state: player, owner epoch, version, data with
-- the version raised.
-- Answers {0} fenced, {1, place}, {2, what was remembered}, or {3, which state, why, its record}.
if not live(ARGV[1], ARGV[2]) then return {0} end
local requests = base .. ':requests:' .. ARGV[7]
local order = base .. ':order:' .. ARGV[7]
local first = redis.call('HGET', requests, ARGV[8])
if first then return {2, first} end
local heads = {}
for i = 11, #ARGV, 4 do
  local why, head = judge(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[3])
  if why ~= 0 then return {3, (i - 11) / 4, why, redis.call('GET', base .. ':owner:' .. ARGV[i])} end
  heads[i] = head
end
for i = 11, #ARGV, 4 do
  redis.call('SET', base .. ':owner:' .. ARGV[i], heads[i] .. ARGV[i + 3])
end
local place = write_entries(ARGV[1], {ARGV[9]}, ARGV[4], ARGV[5])
local answered = string.sub(ARGV[10], 1, 13) .. struct.pack('<I8', tonumber(place)) .. string.sub(ARGV[10], 22)
redis.call('HSET', requests, ARGV[8], answered)
redis.call('LPUSH', order, ARGV[8])
while redis.call('LLEN', order) > tonumber(ARGV[6]) do
  redis.call('HDEL', requests, redis.call('RPOP', order))
end
return {1, place}
