-- ARGV: shard, epoch, the log's bounds in entries and bytes, entries. Answers {0} when fenced, {1, place of the last} otherwise.
if not live(ARGV[1], ARGV[2]) then return {0} end
return {1, write_entries(ARGV[1], {unpack(ARGV, 5)}, ARGV[3], ARGV[4])}
