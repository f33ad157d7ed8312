-- Writes the command pause, about the release that is there now: one that comes too late is refused. The resourceVersion
-- makes the same verb said twice two commands.

local role = obj.status.candidate or obj.status.stable
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["slipway.dev/command"] = "pause@" .. role.hash .. "#" .. obj.metadata.resourceVersion
return obj
