-- Health of a ModelDeployment for Argo CD.
--
-- Healthy means that the declared release serves all traffic. A release that was hauled back is Degraded although stable
-- serves, because what git declares does not. A rollout that waits for a person is Suspended. What stable suffers is
-- Degraded too, but not while another release is on its way: it may be the cure, and a sync fails on what is Degraded.

local function condition(kind)
  for _, found in ipairs(obj.status.conditions or {}) do
    if found.type == kind then
      return found
    end
  end
  return {}
end

if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "waiting for the specification to be observed" }
end

local message = obj.status.message or ""

if condition("Stalled").status == "True" then
  return { status = "Degraded", message = message }
end
if condition("Ready").status == "True" then
  return { status = "Healthy", message = message }
end
if obj.status.phase == "Paused" or obj.status.phase == "AwaitingApproval" then
  return { status = "Suspended", message = message }
end
local available = condition("Available")
if obj.status.candidate == nil and obj.status.stable ~= nil and available.status == "False" then
  return { status = "Degraded", message = available.message }
end
return { status = "Progressing", message = message }
