-- Adds an entry to the log of a shard and says its place. Its time, bytes 10 to 17, is the server's.
local function write_entry(shard, entry, kept)
  local stamped = string.sub(entry, 1, 9) .. struct.pack('<I8', now) .. string.sub(entry, 18)
  local id = redis.call('XADD', base .. ':log:' .. shard, 'MAXLEN', '~', kept, '0-*', 'e', stamped)
  return string.match(id, '^0%-(%d+)$')
end
