-- ARGV: shard, epoch.
if incarnation(ARGV[1]) == ARGV[2] then end_lease(ARGV[1]) end
return 1
