-- What every script starts with. KEYS[1] is the world's name before every key, with the hash tag that keeps all keys of the
-- world on one server, so that a fence and the records that it guards are judged together.
local base = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function whole(number)
  return string.format('%.0f', number)
end

local function damaged(what)
  error({err = 'DAMAGED ' .. what})
end

-- The newest incarnation of a shard: its epoch as text, the milliseconds that it has left, its zone, and whether it is over
-- for good. Nothing when nobody ever held the shard.
local function incarnation(shard)
  local row = redis.call('HGET', base .. ':leases', shard)
  if not row then return nil end
  local epoch, ends, zone = string.match(row, '^(%d+) (%d+) (.*)$')
  if not epoch then damaged('the lease of shard ' .. shard) end
  return epoch, math.max(tonumber(ends) - now, 0), zone, ends == '0'
end

local function write_lease(shard, epoch, ends, zone)
  redis.call('HSET', base .. ':leases', shard, epoch .. ' ' .. whole(ends) .. ' ' .. zone)
end

-- Nobody can renew it from here on.
local function end_lease(shard)
  local epoch, _, zone = incarnation(shard)
  write_lease(shard, epoch, 0, zone)
end

local function live(shard, epoch)
  local held, left = incarnation(shard)
  return held == epoch and left > 0
end
