-- Copies of records that are kept elsewhere: an owner record's bytes whose data is followed by a stamp, the writer's epoch 8 and
-- a time 8, and a sum 8 (snapshot.rs). A copy may be stale, of another kind or garbage; then it is replaced.

-- The name of a player's copy, how it starts, and where its data begins; no beginning when it is no copy that we know.
local function copy(player)
  local key = base .. ':owner:' .. player
  local bytes = redis.pcall('GETRANGE', key, 0, 61)
  if type(bytes) ~= 'string' then return key, '' end
  return key, bytes, data_at(bytes)
end

-- Whether the copy has data that were written later than these.
local function is_later(key, body)
  local held = redis.call('GETRANGE', key, -24, -9)
  if #held < 16 then return false end
  local epoch, time = struct.unpack('<I8I8', held)
  local own_epoch, own_time = struct.unpack('<I8I8', body, #body - 23)
  return epoch > own_epoch or (epoch == own_epoch and time > own_time)
end
