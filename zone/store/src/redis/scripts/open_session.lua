-- ARGV: player, the session as bytes, milliseconds. Its end, bytes 18 to 25, is the server's time and those. Answers the one
-- that was open.
local key = base .. ':session:' .. ARGV[1]
local before = redis.call('GET', key)
local ends = now + ARGV[3]
local stamped = string.sub(ARGV[2], 1, 17) .. struct.pack('<I8', ends) .. string.sub(ARGV[2], 26)
redis.call('SET', key, stamped, 'PXAT', whole(ends))
return before
