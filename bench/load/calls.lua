-- The load of every wrk run: which calls are made, and what came of them as one line of JSON.
--
--   wrk … -s calls.lua URL -- KEYS BAD_EVERY [PATH]
--
-- KEYS is a file with one key a line, or `-` for none. Every BAD_EVERY-th call has a key that is nobody's; 0 for never.

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
   bad_every = tonumber(args[2]) or 0
   local path = args[3] or "/books/1"
   local method, body = "GET", nil
   if args[1] == "-" then
      calls[1] = wrk.format(method, path, { ["Host"] = wrk.headers["Host"], ["Accept"] = "application/json" }, body)
      return
   end
   for key in io.lines(args[1]) do
      local headers = { ["Host"] = wrk.headers["Host"], ["Accept"] = "application/json", ["X-API-Key"] = key }
      calls[#calls + 1] = wrk.format(method, path, headers, body)
      -- A guess: it looks like a key, and is none.
      if #bad_calls < 1000 then
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
   -- Far steps, so that one call's key is not beside the next one's in anybody's memory.
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
