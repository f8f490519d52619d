-- ARGV: shard, epoch, the fence as bytes, then for each checkpoint: player, owner epoch, version, data. Answers {0} when
-- fenced, {1, one for each} otherwise. All are judged before the first is written: a damaged record must not leave half.
if not live(ARGV[1], ARGV[2]) then return {0} end
local answer, heads = {1}, {}
for i = 4, #ARGV, 4 do
  local why, head = judge(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[3])
  table.insert(answer, why)
  if why == 0 then heads[i] = head end
end
for i = 4, #ARGV, 4 do
  if heads[i] then redis.call('SET', base .. ':owner:' .. ARGV[i], heads[i] .. ARGV[i + 3]) end
end
return answer
