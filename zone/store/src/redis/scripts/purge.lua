-- ARGV: how many. Forgets nonces that have expired; sessions expire by themselves. Answers how many went.
local key = base .. ':nonces'
local old = redis.call('ZRANGEBYSCORE', key, '-inf', whole(now), 'LIMIT', 0, ARGV[1])
for _, nonce in ipairs(old) do redis.call('ZREM', key, nonce) end
return #old
