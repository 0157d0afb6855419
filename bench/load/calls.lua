-- The load of every wrk run: which calls are made, and what came of them as one line of JSON.
--
--   wrk … -s calls.lua URL -- KEYS BAD_EVERY PATH PATHS POST_BYTES CLOSE
--
-- KEYS        a file with one key or access token a line, or `-` for none
-- BAD_EVERY   every so manieth call has a key that is nobody's; 0 for never
-- PATH PATHS  the path that is called; with PATHS above 0, /route-0000/1 to as many in its place
-- POST_BYTES  above 0: POST with a JSON body of so many bytes
-- CLOSE       1: every call on a connection of its own

local calls, bad_calls = {}, {}
local made, next_call, next_bad = 0, 0, 0
local bad_every = 0
bad = 0

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

-- Whole requests are made beforehand: in the run, a call costs the load one look into a table.
function init(args)
   bad_every = tonumber(args[2])
   local path, paths, post_bytes = args[3], tonumber(args[4]), tonumber(args[5])
   local headers = { ["Host"] = wrk.headers["Host"], ["Accept"] = "application/json" }
   if args[6] == "1" then
      headers["Connection"] = "close"
   end
   local method, body = "GET", nil
   if post_bytes > 0 then
      method, body = "POST", '{"text":"' .. string.rep("x", post_bytes - 11) .. '"}'
      headers["Content-Type"] = "application/json"
   end
   if args[1] == "-" then
      for number = 0, math.max(paths, 1) - 1 do
         local this = paths > 0 and string.format("/route-%04d/1", number) or path
         calls[#calls + 1] = wrk.format(method, this, headers, body)
      end
      return
   end
   for key in io.lines(args[1]) do
      if key:find(".", 1, true) then
         headers["Authorization"] = "Bearer " .. key
      else
         headers["X-API-Key"] = key
      end
      calls[#calls + 1] = wrk.format(method, path, headers, body)
      -- A guess: it looks like a key, and is none.
      if bad_every > 0 and #bad_calls < 1000 then
         headers["X-API-Key"] = key:sub(1, -9) .. string.format("%08x", #bad_calls * 2654435 % 4294967296)
         bad_calls[#bad_calls + 1] = wrk.format(method, path, headers, body)
      end
   end
end

function request()
   made = made + 1
   if bad_every > 0 and made % bad_every == 0 then
      bad = bad + 1
      next_bad = next_bad % #bad_calls + 1
      return bad_calls[next_bad]
   end
   -- Far steps, so that one call's key is not beside the next one's in anybody's memory. A prime: every key has its turn.
   next_call = (next_call + 7919) % #calls
   return calls[next_call + 1]
end

function done(summary, latency, requests)
   local sent_bad = 0
   for _, thread in ipairs(threads) do
      sent_bad = sent_bad + thread:get("bad")
   end
   local errors = summary.errors
   io.write(string.format(
      '\nsummary {"calls":%d,"us":%d,"refused":%d,"broken":%d,"sent_bad":%d,"p50_us":%d,"p99_us":%d}\n',
      summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
      sent_bad, latency:percentile(50), latency:percentile(99)))
end
