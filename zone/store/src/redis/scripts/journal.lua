-- Adds entries to the log of a shard and says the place of the last. Their time, bytes 10 to 17 of each, is the server's. While
-- there are too many entries, or too many bytes of them, the two oldest go for each that comes.
local function write_entries(shard, entries, kept, kept_bytes)
  local key, sizes = base .. ':log:' .. shard, base .. ':logsizes'
  local sub, stamp, added, id = string.sub, struct.pack('<I8', now), 0, nil
  for _, entry in ipairs(entries) do
    id = redis.call('XADD', key, '0-*', 'e', sub(entry, 1, 9) .. stamp .. sub(entry, 18))
    added = added + #entry
  end
  local size, count = redis.call('HINCRBY', sizes, shard, added), redis.call('XLEN', key)
  kept, kept_bytes = tonumber(kept), tonumber(kept_bytes)
  local most = 2 * #entries
  -- By bytes it is not known how many must go before they are read.
  if size <= kept_bytes then most = math.min(most, count - kept) end
  if most > 0 then
    local gone, freed = {}, 0
    for _, oldest in ipairs(redis.call('XRANGE', key, '-', '+', 'COUNT', most)) do
      if count <= 1 or (count <= kept and size - freed <= kept_bytes) then break end
      table.insert(gone, oldest[1])
      freed, count = freed + #oldest[2][2], count - 1
    end
    if #gone > 0 then
      redis.call('XDEL', key, unpack(gone))
      redis.call('HINCRBY', sizes, shard, -freed)
    end
  end
  return string.match(id, '^0%-(%d+)$')
end
