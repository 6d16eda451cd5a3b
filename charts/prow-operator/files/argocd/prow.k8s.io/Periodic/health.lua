-- The health of a schedule is whether it starts its runs. How they end does not count: see the message.
-- Lua 5.1 without the standard library.
local hs = {}

local function settle(status, message)
  hs.status = status
  hs.message = message
  return hs
end

if obj.metadata.deletionTimestamp ~= nil then
  return settle("Progressing", "The Periodic is being deleted.")
end

local status = obj.status or {}

if status.observedGeneration ~= obj.metadata.generation then
  return settle("Progressing", "The operator has not seen this version of the Periodic yet.")
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end

local function holds(name)
  return found[name] ~= nil and found[name].status == "True"
end

local function say(condition)
  return condition.reason .. ": " .. condition.message
end

if holds("Stalled") then
  return settle("Degraded", say(found.Stalled))
end

if holds("Reconciling") then
  return settle("Progressing", say(found.Reconciling))
end

if holds("Suspended") then
  return settle("Suspended", found.Suspended.message)
end

if holds("Stopped") then
  return settle("Suspended", found.Stopped.message)
end

if not holds("Ready") then
  return settle("Progressing", found.Ready ~= nil and say(found.Ready) or "The operator has not said that the Periodic is ready.")
end

local message = found.Ready.message
if (status.consecutiveFailures or 0) > 0 then
  message = message .. " Runs that failed in a row: " .. status.consecutiveFailures .. "."
end
if holds("Unsupported") then
  message = message .. " " .. found.Unsupported.message
end
return settle("Healthy", message)
