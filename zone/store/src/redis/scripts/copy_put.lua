-- ARGV: how many milliseconds a copy lives, then for each record: player, what stands before its data, data with stamp and sum,
-- and the start of a copy that is known to be wrong. Replaces copies of earlier records, of earlier data of the same record, and
-- wrong ones. Answers for each whether the copy is this one now.

-- Whether a record that starts like this is earlier in the player's history than one that starts like that.
local function is_earlier(this, that)
  local function rank(head)
    -- Closed ends what is open, and what is released, under the same owner epoch.
    return struct.unpack('<I8', head, 6), (string.byte(head, 14) + 2) % 3, struct.unpack('<I8', head, #head - 7)
  end
  local epoch, phase, version = rank(this)
  local epoch_of_that, phase_of_that, version_of_that = rank(that)
  if epoch ~= epoch_of_that then return epoch < epoch_of_that end
  if phase ~= phase_of_that then return phase < phase_of_that end
  return version < version_of_that
end

local answers = {}
for i = 2, #ARGV, 4 do
  local key, held, data = copy(ARGV[i])
  local start = ARGV[i + 1] .. string.sub(ARGV[i + 2], 1, 8)
  local replaced = true
  if data then
    held = string.sub(held, 1, data + 7)
    if held == start then
      replaced = not is_later(key, ARGV[i + 2])
    else
      replaced = held == ARGV[i + 3] or is_earlier(held, start)
    end
  end
  if replaced then redis.call('SET', key, ARGV[i + 1] .. ARGV[i + 2], 'PX', ARGV[1]) end
  table.insert(answers, replaced and 1 or 0)
end
return answers
