-- Adds an entry to the log of a shard and says its place. Its time, bytes 10 to 17, is the server's. While there are too many
-- entries, or too many bytes of them, the two oldest go for each that comes.
local function write_entry(shard, entry, kept, kept_bytes)
  local key, sizes = base .. ':log:' .. shard, base .. ':logsizes'
  local stamped = string.sub(entry, 1, 9) .. struct.pack('<I8', now) .. string.sub(entry, 18)
  local id = redis.call('XADD', key, '0-*', 'e', stamped)
  local size = redis.call('HINCRBY', sizes, shard, #stamped)
  local count = redis.call('XLEN', key)
  for _ = 1, 2 do
    if count <= 1 or (count <= tonumber(kept) and size <= tonumber(kept_bytes)) then break end
    local oldest = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
    redis.call('XDEL', key, oldest[1])
    size = redis.call('HINCRBY', sizes, shard, -#oldest[2][2])
    count = count - 1
  end
  return string.match(id, '^0%-(%d+)$')
end
