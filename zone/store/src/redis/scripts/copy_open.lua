-- ARGV: format, whether other DarkAges worlds may live beside this one, how keys of this world's copies start. Makes the marker
-- where nothing else is; answers what is there. Who makes room in a full memory may have taken the marker of what is ours.
local meta = base .. ':meta'
local kind = redis.call('TYPE', meta).ok
if kind == 'string' then return {'found', redis.call('GET', meta)} end
if kind ~= 'none' then return {'foreign', meta} end
local other = redis.call('DBSIZE') > 0 and redis.call('RANDOMKEY')
local ours = other and string.sub(other, 1, #ARGV[3]) == ARGV[3]
if other and not ours and not (ARGV[2] == '1' and string.match(other, '^darkages:')) then
  return {'foreign', other}
end
redis.call('SET', meta, ARGV[1])
return {'found', ARGV[1]}
