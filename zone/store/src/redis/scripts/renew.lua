-- ARGV: shard, epoch, milliseconds; 0 milliseconds end the lease. Answers whether it was live.
local held, left, zone = incarnation(ARGV[1])
if held ~= ARGV[2] or left <= 0 then return 0 end
write_lease(ARGV[1], held, now + ARGV[3], zone)
return 1
