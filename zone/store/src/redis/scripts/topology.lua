-- ARGV: the expected revision as stored, or nothing; the next document. Answers {1} when swapped, {0, what is there} when not.
local key = base .. ':topology'
local current = redis.call('GET', key)
local revision = current and string.sub(current, 2, 9) or ''
if revision ~= ARGV[1] then return {0, current} end
redis.call('SET', key, ARGV[2])
return {1}
