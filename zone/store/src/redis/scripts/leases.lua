-- ARGV: the lowest shard, how many. Answers shard, epoch, milliseconds left, zone of each, in order.
local page = {}
for _, shard in ipairs(redis.call('ZRANGEBYSCORE', base .. ':shards', ARGV[1], '+inf', 'LIMIT', 0, ARGV[2])) do
  local epoch, left, zone = incarnation(shard)
  if not epoch then damaged('the lease of shard ' .. shard) end
  for _, value in ipairs({shard, epoch, whole(left), zone}) do table.insert(page, value) end
end
return page
