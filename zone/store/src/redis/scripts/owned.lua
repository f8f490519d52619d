-- ARGV: name of the list, where to start, how many. Answers player and record of each, in order.
local page = {}
local players = redis.call('ZRANGEBYLEX', base .. ARGV[1], ARGV[2], '+', 'LIMIT', 0, ARGV[3])
for _, player in ipairs(players) do
  table.insert(page, player)
  table.insert(page, redis.call('GET', base .. ':owner:' .. player))
end
return page
