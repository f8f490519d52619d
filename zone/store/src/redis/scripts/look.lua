-- ARGV: shard, epoch, players. Answers whether that incarnation is live, then each player's record.
local answer = {live(ARGV[1], ARGV[2]) and 1 or 0}
for i = 3, #ARGV do
  table.insert(answer, redis.call('GET', base .. ':owner:' .. ARGV[i]))
end
return answer
