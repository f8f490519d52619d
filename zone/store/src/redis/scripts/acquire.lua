-- ARGV: shard, milliseconds, zone. Answers {1, epoch} when granted, {0, epoch, milliseconds left, zone} when held.
local last, left, zone = incarnation(ARGV[1])
if last and left > 0 then return {0, last, whole(left), zone} end
local epoch = whole((last or 0) + 1)
write_lease(ARGV[1], epoch, now + ARGV[2], ARGV[3])
redis.call('ZADD', base .. ':shards', ARGV[1], ARGV[1])
return {1, epoch}
