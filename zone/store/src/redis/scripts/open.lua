-- ARGV: format, world, whether other DarkAges worlds may live beside this one, the number of a new history. Makes the marker of a world where there is
-- none and nothing else is; answers what is there.
local meta = base .. ':meta'
local kind = redis.call('TYPE', meta).ok
if kind == 'hash' then
  redis.call('SET', base .. ':barrier', '', 'NX')
  return {'found', redis.call('HGET', meta, 'format') or '', redis.call('HGET', meta, 'world') or ''}
end
if kind ~= 'none' then return {'foreign', meta} end
local other = redis.call('DBSIZE') > 0 and redis.call('RANDOMKEY')
if other and not (ARGV[3] == '1' and string.match(other, '^darkages:')) then
  return {'foreign', other}
end
redis.call('HSET', meta, 'format', ARGV[1], 'world', ARGV[2], 'history', ARGV[4])
redis.call('SET', base .. ':barrier', '')
return {'found', ARGV[1], ARGV[2]}
