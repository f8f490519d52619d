-- ARGV: nonce, when it expires in Unix milliseconds, how many are remembered, the longest life in milliseconds, how many
-- expired ones go. Answers {0} first use, {1} used before, {2} expired, {3} full, {4, milliseconds} too long a life.
local key = base .. ':nonces'
local ends = tonumber(ARGV[2])
if ends <= now then return {2} end
if ends - now > tonumber(ARGV[4]) then return {4, whole(ends - now)} end
if redis.call('ZSCORE', key, ARGV[1]) then return {1} end
for _, old in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', whole(now), 'LIMIT', 0, ARGV[5])) do
  redis.call('ZREM', key, old)
end
if redis.call('ZCARD', key) >= tonumber(ARGV[3]) then return {3} end
redis.call('ZADD', key, whole(ends), ARGV[1])
return {0}
