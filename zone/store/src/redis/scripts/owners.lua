-- Owner records as bytes (codec.rs): version 1, owner 4, owner epoch 8, phase 1, then while a handoff is open its id 20, the
-- incarnation that committed it 12 and the cut tick 8; then the data, which starts with its version 8.

-- Whether a writer's checkpoint fits a record: 0 done, 1 absent, 2 not the owner, 3 another version. With 0 comes what stays
-- of the record before its data. This is OwnerRecord::is_written_by, and a property test compares the two.
local function judge(player, owner_epoch, version, fence)
  local head = redis.call('GETRANGE', base .. ':owner:' .. player, 0, 61)
  if head == '' then return 1 end
  local phase = string.byte(head, 14)
  local data = phase == 0 and 15 or 55
  if string.byte(head, 1) ~= 1 or not phase or phase > 2 or #head < data + 7 then
    damaged('player ' .. player)
  end
  local acts
  if phase == 0 then
    acts = string.sub(head, 2, 5) == string.sub(fence, 1, 4)
  else
    acts = phase == 1 and string.sub(head, 35, 46) == fence
  end
  if not acts or string.sub(head, 6, 13) ~= owner_epoch then return 2 end
  if string.sub(head, data, data + 7) ~= version then return 3 end
  return 0, string.sub(head, 1, data - 1)
end
