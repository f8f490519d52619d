-- ARGV: shard, epoch, the fence as bytes, then for each checkpoint: player, and the record that it makes if the owner is the
-- writer's shard and no handoff is open. Answers {0} when fenced, {1} when all are done, {1, one for each} otherwise. All are
-- judged before the first is written: a damaged record must not leave half.
--
-- It costs by the bytes of strings that are made here, and by calls; so records are read in one call, written in one, and
-- nothing of them is put together anew where it comes as it is to be.
if not live(ARGV[1], ARGV[2]) then return {0} end
local sub = string.sub
local keys, count = {}, 0
for i = 4, #ARGV, 2 do
  count = count + 1
  keys[count] = base .. ':owner:' .. ARGV[i]
end
if count == 0 then return {1} end
local held = redis.call('MGET', unpack(keys))
local answer, written, last, all_done = {1}, {}, 0, true
for i = 1, count do
  local record, head, why = ARGV[3 + 2 * i], held[i], 0
  -- Up to and with the version of its data a record is as the writer expects it.
  if not head or sub(head, 1, 22) ~= sub(record, 1, 22) then
    local before
    why, before = judge(ARGV[2 + 2 * i], sub(record, 6, 13), sub(record, 15, 22), ARGV[3])
    if why == 0 then record = before .. sub(record, 15) else all_done = false end
  end
  answer[i + 1] = why
  if why == 0 then
    written[last + 1], written[last + 2], last = keys[i], record, last + 2
  end
end
if last > 0 then redis.call('MSET', unpack(written)) end
if all_done then return {1} end
return answer
