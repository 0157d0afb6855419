-- wrk … -s addresses.lua URL -- COUNT: every call says, as a proxy would, that it comes from another public address.

local count, made = 1, 0

function init(args)
   count = tonumber(args[1])
end

function request()
   made = made % count + 1
   -- Spread over many networks, as callers are: the lowest bits of the number go into the highest byte.
   local a, b, c = 11 + made % 100, math.floor(made / 100) % 100, math.floor(made / 10000) % 100
   return wrk.format("GET", "/books/1", { ["Host"] = "localhost", ["X-Forwarded-For"] = a .. "." .. b .. "." .. c .. ".7" })
end

function done(summary)
   io.write(string.format('\nsummary {"calls":%d,"refused":%d}\n', summary.requests, summary.errors.status))
end
