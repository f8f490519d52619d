-- ARGV: shard, epoch, the log's bound, entries. Answers {0} when fenced, {1, place of the last} otherwise.
if not live(ARGV[1], ARGV[2]) then return {0} end
local place
for i = 4, #ARGV do place = write_entry(ARGV[1], ARGV[i], ARGV[3]) end
return {1, place}
