package cluster

import "github.com/redis/go-redis/v9"

// Redis runs a script as one step. What one needs of time it takes from Redis's
// clock, so that those of the nodes do not matter.

// beatScript: a sign of life. It returns whether the life was alive before, how
// many writes of it Redis knows, the nodes, and which sessions of this life are
// to make room. A gateway that ends and begins again, over and over, leaves more of
// itself behind than is swept: where there are too many, none that has left or was
// reported is kept, and if that is not enough those that died first are not, whose
// sessions nobody reports then; or nobody could come in any more.
//
// KEYS alive nodes seq ended s:LIFE g:LIFE
// ARGV instance life node expire remember most-nodes longest-node
var beatScript = redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function alive(id)
  local ends = redis.call('ZSCORE', KEYS[1], id)
  return ends and tonumber(ends) > now
end
local most = tonumber(ARGV[6])
local function many() return redis.call('HLEN', KEYS[2]) > most end
local function forget(n)
  redis.call('HDEL', KEYS[2], n.id)
  if n.life then redis.call('HDEL', KEYS[3], n.life) end
end
if many() then
  local unsaid = {}
  for _, id in ipairs(redis.call('HKEYS', KEYS[2])) do
    if id ~= ARGV[1] and not alive(id) then
      local text, ok, r = redis.call('HGET', KEYS[2], id), false, nil
      if #text <= tonumber(ARGV[7]) then ok, r = pcall(cjson.decode, text) end
      if not ok or type(r) ~= 'table' then r = {left = true} end
      local n = {id = id, life = type(r.life) == 'string' and r.life, ends = tonumber(redis.call('ZSCORE', KEYS[1], id) or '0')}
      if r.left == true or r.lost == true then forget(n) else table.insert(unsaid, n) end
    end
  end
  table.sort(unsaid, function(a, b) return a.ends < b.ends end)
  for _, n in ipairs(unsaid) do
    if many() then forget(n) end
  end
  if many() then return redis.error_reply('ERR too many nodes are written down') end
end
local was = alive(ARGV[2]) and 1 or 0
local ends = string.format('%.0f', now + ARGV[4])
redis.call('ZADD', KEYS[1], ends, ARGV[1], ends, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[5]))
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
for i = 1, 6 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
local nodes = {}
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  if #all[i] <= 64 and #all[i + 1] <= tonumber(ARGV[7]) then
    table.insert(nodes, all[i])
    table.insert(nodes, all[i + 1])
    table.insert(nodes, alive(all[i]) and '1' or '0')
  end
end
local due = {}
if redis.call('HLEN', KEYS[4]) > 10000 then redis.call('DEL', KEYS[4]) end
local told = redis.call('HGETALL', KEYS[4])
for i = 1, #told, 2 do
  local life = string.match(told[i], '^([%w.]+)/[%w._-]+$')
  if not life or not alive(life) then
    redis.call('HDEL', KEYS[4], told[i])
  elseif life == ARGV[2] then
    table.insert(due, told[i])
    table.insert(due, told[i + 1])
  end
end
return {was, tonumber(redis.call('HGET', KEYS[3], ARGV[2]) or '0'), nodes, due}
`)

// retireScript forgets lives that a new one has replaced, or that ended well.
//
// KEYS alive seq, then s: and g: of each; ARGV the lives
var retireScript = redis.NewScript(`
for i = 3, #KEYS do redis.call('DEL', KEYS[i]) end
for _, life in ipairs(ARGV) do
  redis.call('ZREM', KEYS[1], life)
  redis.call('HDEL', KEYS[2], life)
end
return 1
`)

// entombScript marks a node that is dead, once its sessions were reported.
//
// KEYS alive nodes seq s:LIFE g:LIFE
// ARGV instance node life
var entombScript = redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ends and tonumber(ends) > now then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[3])
redis.call('DEL', KEYS[4], KEYS[5])
redis.call('ZREM', KEYS[1], ARGV[1], ARGV[3])
return 1
`)

// sweepScript forgets a node that has long been gone.
//
// KEYS alive nodes; ARGV instance
var sweepScript = redis.NewScript(`
local t = redis.call('TIME')
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ends and tonumber(ends) > t[1] * 1000 then return 0 end
return redis.call('HDEL', KEYS[2], ARGV[1])
`)

// pageScript reads a part of a hash, with nothing in the place of what is too
// long.
//
// KEYS hash; ARGV cursor longest
var pageScript = redis.NewScript(`
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 200)
local out = {page[1]}
for i = 1, #page[2], 2 do
  if #page[2][i] <= 256 then
    table.insert(out, page[2][i])
    table.insert(out, #page[2][i + 1] <= tonumber(ARGV[2]) and page[2][i + 1] or '')
  end
end
return out
`)

// fieldScript reads one field of a hash, unless it is too long.
//
// KEYS hash; ARGV field longest
var fieldScript = redis.NewScript(`
if redis.call('HSTRLEN', KEYS[1], ARGV[1]) > tonumber(ARGV[2]) then return false end
return redis.call('HGET', KEYS[1], ARGV[1])
`)

// seatPrelude is what all scripts about places begin with.
//
// KEYS alive t l u a x q ended s:LIFE seq
// ARGV seat per-target per-user per-address has-user has-address looks session
// record remember channel life busy since longest-queue seat-before
const seatPrelude = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local micros = string.format('%.0f', t[1] * 1000000 + t[2])
local me, most, byUser, byAddress = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local hasUser, hasAddress = ARGV[5] == '1', ARGV[6] == '1'
local remember, channel, mine = ARGV[10], ARGV[11], ARGV[12]
local lives = {}
local function aliveLife(life)
  if lives[life] == nil then
    local ends = redis.call('ZSCORE', KEYS[1], life)
    lives[life] = ends and tonumber(ends) > now or false
  end
  return lives[life]
end
local function living(m)
  local life = string.match(m, '^([%w.]+)/[%w._-]+$')
  return life and aliveLife(life) or false
end
local endings = {}
local function ended(m)
  if endings[m] == nil then endings[m] = redis.call('HEXISTS', KEYS[8], m) == 1 end
  return endings[m]
end
-- those who have a place beside me, who came first first; the dead are cleared
-- away. Where nobody counts, a look at the oldest does that in time
local function others(key, counts)
  local list = {}
  for _, m in ipairs(redis.call('ZRANGE', key, 0, counts and 9999 or 9)) do
    if m ~= me then
      if living(m) then table.insert(list, m) else redis.call('ZREM', key, m) end
    end
  end
  return list
end
local function count(list, stays)
  local n = 0
  for _, m in ipairs(list) do
    if not (stays and ended(m)) then n = n + 1 end
  end
  return n
end
local function whoIsAlone()
  local m = redis.call('GET', KEYS[6])
  if not m or m == me then return nil end
  if living(m) and redis.call('ZSCORE', KEYS[2], m) then return m end
  redis.call('DEL', KEYS[6])
  return nil
end
local function wake() redis.call('PUBLISH', channel, '{"kind":"wake"}') end
local function wrote() return redis.call('HINCRBY', KEYS[10], mine, 1) end
local function put(key, score)
  redis.call('ZADD', key, score, me)
  redis.call('PEXPIRE', key, remember)
end
local function enter(looks, score)
  if looks then put(KEYS[3], score) else put(KEYS[2], score) end
  if hasUser then put(KEYS[4], score) end
  if hasAddress then put(KEYS[5], score) end
  if ARGV[9] ~= '' then redis.call('HSET', KEYS[9], ARGV[8], ARGV[9]) end
  redis.call('PEXPIRE', KEYS[9], remember)
  redis.call('HDEL', KEYS[7], me)
end
`

// missingPart counts who is there, once for a script.
const missingPart = `
local targets, users, addresses = others(KEYS[2], true), {}, {}
local lookers = others(KEYS[3], ARGV[13] ~= 'refuse')
if hasUser then users = others(KEYS[4], byUser > 0) end
if hasAddress then addresses = others(KEYS[5], byAddress > 0) end
local alone = whoIsAlone()
local function missing(stays, beside)
  if alone and not (stays and ended(alone)) then return 1 end
  if most > 0 and not beside and count(targets, stays) >= most then return 2 end
  if byUser > 0 and hasUser and count(users, stays) >= byUser then return 3 end
  if byAddress > 0 and hasAddress and count(addresses, stays) >= byAddress then return 4 end
  return 0
end
`

// enterScript returns {"in"|"looks"|"waits"|"crowded"|"dead"|"no", missing,
// occupied, write}.
//
// In the queue each has noted when it came, its limit and what it lacks. Who
// could have come in by now was woken and is on its way: nobody comes before it
// who came later. Who lacks something else keeps nobody waiting.
var enterScript = redis.NewScript(seatPrelude + missingPart + `
if not aliveLife(mine) then return {'dead', 0, 0, 0} end
if redis.call('ZSCORE', KEYS[2], me) then return {'in', 0, 0, wrote()} end
if redis.call('ZSCORE', KEYS[3], me) then return {'looks', 0, 0, wrote()} end
local want = missing(false, false)
local came, waiting = ARGV[14] ~= '0' and ARGV[14] or micros, 0
local queue = {}
if redis.call('HLEN', KEYS[7]) > 10000 then redis.call('DEL', KEYS[7]) end
local all = redis.call('HGETALL', KEYS[7])
for i = 1, #all, 2 do
  local at, limit, lacks = string.match(all[i + 1], '^(%d+) (%d+) (%d)$')
  if all[i] == me and at then
    came = at
  elseif at and living(all[i]) then
    waiting = waiting + 1
    table.insert(queue, {at = tonumber(at), limit = tonumber(limit), lacks = lacks})
  else
    redis.call('HDEL', KEYS[7], all[i])
  end
end
if want == 0 and not alone then
  local n = count(targets, false)
  for _, w in ipairs(queue) do
    if w.at < tonumber(came) and (w.lacks == '1' or w.lacks == '2') and (w.limit == 0 or n < w.limit) then want = 2 end
  end
end
local busy = ARGV[13]
local occupied = busy == 'replace' and count(targets, true) + count(lookers, true) > 0 and 1 or 0
if want == 2 and busy == 'view' then
  want = missing(false, true)
  if want == 0 then
    enter(true, micros)
    return {'looks', 0, occupied, wrote()}
  end
end
if want == 0 then
  enter(false, micros)
  return {'in', 0, occupied, wrote()}
end
if busy ~= 'queue' then return {'no', want, occupied, 0} end
if came == micros and waiting >= tonumber(ARGV[15]) then return {'crowded', want, occupied, 0} end
redis.call('HSET', KEYS[7], me, came .. ' ' .. ARGV[2] .. ' ' .. want)
redis.call('PEXPIRE', KEYS[7], remember)
return {'waits', want, occupied, wrote(), came}
`)

// replaceScript returns {"in"|"dead", write, seats that have to leave...}.
var replaceScript = redis.NewScript(seatPrelude + missingPart + `
if not aliveLife(mine) then return {'dead', 0} end
local leaving = {}
if not redis.call('ZSCORE', KEYS[2], me) then
  for _, m in ipairs(targets) do if ended(m) then table.insert(leaving, m) end end
  for _, m in ipairs(lookers) do if ended(m) then table.insert(leaving, m) end end
  while true do
    local want, victim = missing(true, false), nil
    if want == 0 then break end
    local lists = {{alone}, targets, users, addresses}
    for _, m in ipairs(lists[want]) do
      if not ended(m) then victim = m; break end
    end
    if not victim then break end
    endings[victim] = true
    redis.call('HSET', KEYS[8], victim, 'r')
    redis.call('PUBLISH', channel, '{"kind":"end","seat":"' .. victim .. '"}')
    table.insert(leaving, victim)
  end
  redis.call('PEXPIRE', KEYS[8], remember)
end
enter(false, micros)
local out = {'in', wrote()}
for _, m in ipairs(leaving) do table.insert(out, m) end
return out
`)

// excludeScript returns 1 if the target is the seat's alone.
var excludeScript = redis.NewScript(seatPrelude + missingPart + `
if not aliveLife(mine) then return 0 end
local there = {}
for _, m in ipairs(targets) do if not ended(m) then table.insert(there, m) end end
for _, m in ipairs(lookers) do if not ended(m) then table.insert(there, m) end end
if ARGV[13] == '' or ARGV[13] == 'replace' then
  for _, m in ipairs(there) do
    redis.call('HSET', KEYS[8], m, 't')
    redis.call('PUBLISH', channel, '{"kind":"end","seat":"' .. m .. '","taken":true}')
  end
  redis.call('PEXPIRE', KEYS[8], remember)
  return 1
end
if #there > 0 or alone then return 0 end
redis.call('SET', KEYS[6], me, 'PX', remember)
return 1
`)

// holdScript gives a place to one that has it already, whatever the numbers are,
// and moves there what was said of it in an earlier life.
var holdScript = redis.NewScript(seatPrelude + `
local before = ARGV[16]
if before ~= '' then
  for i = 2, 5 do redis.call('ZREM', KEYS[i], before) end
  local told = redis.call('HGET', KEYS[8], before)
  if told then
    redis.call('HDEL', KEYS[8], before)
    redis.call('HSET', KEYS[8], me, told)
  end
end
local alone = redis.call('GET', KEYS[6])
if ARGV[13] == 'alone' and (not alone or alone == before) then redis.call('SET', KEYS[6], me) end
if redis.call('GET', KEYS[6]) == me then redis.call('PEXPIRE', KEYS[6], remember) end
enter(ARGV[7] == '1', ARGV[14])
return wrote()
`)

// leaveScript gives the place back.
var leaveScript = redis.NewScript(seatPrelude + `
for i = 2, 5 do redis.call('ZREM', KEYS[i], me) end
redis.call('HDEL', KEYS[7], me)
redis.call('HDEL', KEYS[9], ARGV[8])
if redis.call('GET', KEYS[6]) == me then redis.call('DEL', KEYS[6]) end
local made = redis.call('HDEL', KEYS[8], me)
if made == 1 or redis.call('HLEN', KEYS[7]) > 0 then wake() end
return wrote()
`)

// goneScript returns those that have not left yet.
//
// KEYS alive ended; ARGV seats
var goneScript = redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local left = {}
for _, m in ipairs(ARGV) do
  local life = string.match(m, '^([%w.]+)/[%w._-]+$')
  local ends = life and redis.call('ZSCORE', KEYS[1], life)
  if ends and tonumber(ends) > now and redis.call('HEXISTS', KEYS[2], m) == 1 then table.insert(left, m) end
end
return left
`)
