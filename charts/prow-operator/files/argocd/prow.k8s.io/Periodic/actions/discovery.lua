-- Lua 5.1 without the standard library.
local actions = {}
local suspended = false

for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.type == "Suspended" and condition.status == "True" then
    suspended = true
  end
end
-- The operator may not have seen the latest spec yet.
if obj.spec.suspend == true then
  suspended = true
end

actions["run-now"] = { ["iconClass"] = "fa fa-fw fa-forward", ["displayName"] = "Run now" }
actions["suspend"] = { ["iconClass"] = "fa fa-fw fa-pause", ["displayName"] = "Suspend", ["disabled"] = suspended }
actions["resume"] = { ["iconClass"] = "fa fa-fw fa-play", ["displayName"] = "Resume", ["disabled"] = not suspended }

return actions
