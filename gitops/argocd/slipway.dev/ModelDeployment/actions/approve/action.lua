-- Writes the command approve, about the release and the step that are there now: one that comes too late is refused. The
-- resourceVersion makes the same verb said twice two commands.

local role = obj.status.candidate or obj.status.stable
local place = role.step and ("/" .. role.step) or ""
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["slipway.dev/command"] = "approve@" .. role.hash .. place .. "#" .. obj.metadata.resourceVersion
return obj
