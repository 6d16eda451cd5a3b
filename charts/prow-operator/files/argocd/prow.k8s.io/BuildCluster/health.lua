-- Lua 5.1 without the standard library.
local hs = {}

local function settle(status, message)
  hs.status = status
  hs.message = message
  return hs
end

if obj.metadata.deletionTimestamp ~= nil then
  return settle("Progressing", "The BuildCluster is being deleted.")
end

local status = obj.status or {}

if status.observedGeneration ~= obj.metadata.generation then
  return settle("Progressing", "The operator has not seen this version of the BuildCluster yet.")
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

if obj.spec.paused == true then
  return settle("Suspended", "spec.paused is true: no further run starts there.")
end

if ready ~= nil and ready.status == "True" then
  return settle("Healthy", ready.message)
end

return settle("Progressing", ready ~= nil and ready.reason .. ": " .. ready.message or "The operator has not said that the BuildCluster is ready.")
