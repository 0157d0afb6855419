-- wrk … -s hold.lua URL -- CONNECTIONS: each makes one call, TLS handshake before it, and then does nothing.

local connections, made = 0, 0

function init(args)
   connections = tonumber(args[1])
end

function delay()
   made = made + 1
   return made > connections and 3600000 or 0
end
