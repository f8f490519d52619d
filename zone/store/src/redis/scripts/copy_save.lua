-- ARGV: the fence as bytes, how many milliseconds a copy lives, then for each checkpoint: player, owner epoch, version, data with
-- stamp and sum. Puts the data into copies that they fit. Answers for each 1 and what stands before the data in the copy, or 0
-- and how the copy starts, up to and with its version.
local answers = {}
for i = 3, #ARGV, 4 do
  local key, head, data = copy(ARGV[i])
  local taken = 0
  if not data then
    head = ''
  elseif fits(head, data, ARGV[i + 1], ARGV[i + 2], ARGV[1]) == 0 and not is_later(key, ARGV[i + 3]) then
    taken, head = 1, string.sub(head, 1, data - 1)
    redis.call('SET', key, head .. ARGV[i + 3], 'PX', ARGV[2])
  else
    head = string.sub(head, 1, data + 7)
  end
  table.insert(answers, taken)
  table.insert(answers, head)
end
return answers
