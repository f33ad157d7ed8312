-- The commands that a person may give at this moment. What is not possible now is shown, and disabled.

local status = obj.status or {}
local phase = status.phase
local candidate = status.candidate

local function is_one_of(phases)
  for _, one in ipairs(phases) do
    if phase == one then
      return true
    end
  end
  return false
end

local resting = is_one_of({ "Paused", "AwaitingApproval", "Holding" })
local judged = resting or is_one_of({ "Evaluating", "Shadowing", "Stepping" })
local starting = is_one_of({ "Pending", "Verifying", "Starting" })
local on_trial = candidate ~= nil and (judged or starting or phase == "Promoting")

local actions = {}
actions["promote"] = { disabled = not (candidate ~= nil and judged), iconClass = "fa fa-fw fa-step-forward", displayName = "Promote: next step" }
actions["promote-full"] = { disabled = not (candidate ~= nil and (judged or starting)), iconClass = "fa fa-fw fa-fast-forward", displayName = "Promote: all the way" }
actions["approve"] = { disabled = phase ~= "AwaitingApproval", iconClass = "fa fa-fw fa-check" }
actions["pause"] = { disabled = not on_trial or phase == "Paused", iconClass = "fa fa-fw fa-pause" }
actions["resume"] = { disabled = phase ~= "Paused", iconClass = "fa fa-fw fa-play" }
actions["abort"] = { disabled = not (on_trial or phase == "Watching"), iconClass = "fa fa-fw fa-undo" }
actions["retry"] = { disabled = phase ~= "RolledBack", iconClass = "fa fa-fw fa-redo" }
return actions
