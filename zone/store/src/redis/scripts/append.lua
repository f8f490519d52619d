-- ARGV: shard, epoch, the log's bounds in entries and bytes, entries. Answers {0} when fenced, {1, place of the last} otherwise.
if not live(ARGV[1], ARGV[2]) then return {0} end
local place
for i = 5, #ARGV do place = write_entry(ARGV[1], ARGV[i], ARGV[3], ARGV[4]) end
return {1, place}
