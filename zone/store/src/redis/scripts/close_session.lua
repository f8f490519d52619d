-- ARGV: player, id as stored. Answers whether the session with that id was open.
local key = base .. ':session:' .. ARGV[1]
local open = redis.call('GET', key)
if not open or string.sub(open, 2, 17) ~= ARGV[2] then return 0 end
return redis.call('DEL', key)
