-- ARGV: shard, epoch, milliseconds. Answers whether it is that incarnation's still. One that has run out is, until somebody
-- relies on its end.
local held, _, zone, is_over = incarnation(ARGV[1])
if held ~= ARGV[2] or is_over then return 0 end
write_lease(ARGV[1], held, now + ARGV[3], zone)
return 1
