-- Owner records as bytes (codec.rs): version 1, owner 4, owner epoch 8, phase 1, then while a handoff is open its id 20, the
-- incarnation that committed it 12 and the cut tick 8; then the data, which starts with its version 8.

-- Where the data begins of a record that starts like this; nothing when no record does.
local function data_at(head)
  local phase = string.byte(head, 14)
  local data = phase == 0 and 15 or 55
  if string.byte(head, 1) == 1 and phase and phase <= 2 and #head >= data + 7 then return data end
end

-- Whether a writer's checkpoint fits the record that starts like this: 0 done, 2 not the owner, 3 another version. This is
-- OwnerRecord::is_written_by, and a property test compares the two.
local function fits(head, data, owner_epoch, version, fence)
  local phase = string.byte(head, 14)
  local acts
  if phase == 0 then
    acts = string.sub(head, 2, 5) == string.sub(fence, 1, 4)
  else
    acts = phase == 1 and string.sub(head, 35, 46) == fence
  end
  if not acts or string.sub(head, 6, 13) ~= owner_epoch then return 2 end
  if string.sub(head, data, data + 7) ~= version then return 3 end
  return 0
end
