-- Whether a writer's checkpoint fits a player's record: as `fits`, or 1 absent. With 0 comes what stays of the record before
-- its data.
local function judge(player, owner_epoch, version, fence)
  local head = redis.call('GETRANGE', base .. ':owner:' .. player, 0, 61)
  if head == '' then return 1 end
  local data = data_at(head)
  if not data then damaged('player ' .. player) end
  return fits(head, data, owner_epoch, version, fence), string.sub(head, 1, data - 1)
end
