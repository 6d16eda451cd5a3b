-- Lua 5.1 without the standard library.
local actions = {}
local over = obj.spec.abort ~= nil or (obj.status ~= nil and obj.status.completionTime ~= nil)
actions["abort"] = { ["iconClass"] = "fa fa-fw fa-stop", ["displayName"] = "Abort", ["disabled"] = over }
return actions
