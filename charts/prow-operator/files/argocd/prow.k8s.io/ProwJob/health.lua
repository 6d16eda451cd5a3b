-- A run that has ended is healthy whatever its result: a red test says something about the code under test, not about the deployment.
-- Lua 5.1 without the standard library.
local hs = {}

local function settle(status, message)
  hs.status = status
  hs.message = message
  return hs
end

if obj.metadata.deletionTimestamp ~= nil then
  return settle("Progressing", "The run is being deleted.")
end

local status = obj.status or {}

if status.completionTime ~= nil then
  return settle("Healthy", "Ended with " .. (status.reason or status.state or "an unknown result") .. ": " .. (status.description or "no description"))
end

if status.observedGeneration ~= obj.metadata.generation then
  return settle("Progressing", "The operator has not seen this version of the run yet.")
end

for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Stalled" and condition.status == "True" then
    return settle("Degraded", condition.reason .. ": " .. condition.message)
  end
end

if status.waiting ~= nil then
  return settle("Progressing", status.waiting.reason .. ": " .. (status.waiting.message or "The run waits."))
end

return settle("Progressing", status.description or "The run has not started yet.")
