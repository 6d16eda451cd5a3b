-- Whether the Periodics are as the set wants them. How they fare is said of each of them.
-- Lua 5.1 without the standard library.
local hs = {}

local function settle(status, message)
  hs.status = status
  hs.message = message
  return hs
end

if obj.metadata.deletionTimestamp ~= nil then
  return settle("Progressing", "The PeriodicSet is being deleted.")
end

local status = obj.status or {}

if status.observedGeneration ~= obj.metadata.generation then
  return settle("Progressing", "The operator has not seen this version of the PeriodicSet yet.")
end

local ready = nil
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Stalled" and condition.status == "True" then
    return settle("Degraded", condition.reason .. ": " .. condition.message)
  end
  if condition.type == "Ready" then
    ready = condition
  end
end

if ready ~= nil and ready.status == "True" then
  if status.suspended ~= nil and status.suspended > 0 and status.suspended == status.desired then
    return settle("Suspended", "All Periodics of the set are suspended.")
  end
  return settle("Healthy", ready.message)
end

return settle("Progressing", ready ~= nil and ready.reason .. ": " .. ready.message or "The operator has not said that the PeriodicSet is ready.")
