--- The options of `require("tenets").setup()`.

local M = {
  --- The server and its arguments.
  cmd = { "tenets-session-server" },
  --- Called with the name of the current session, or nil, when that has changed.
  on_change = nil,
  --- How notes are marked at their lines: false, "text" (behind the line) or "sign".
  marks = false,
}

local MARKS = { [false] = true, text = true, sign = true }

--- Takes the options of a user; what they do not name is the default. Raises what is wrong.
function M.set(options)
  options = options or {}
  if type(options) ~= "table" then error("tenets: options: expected a table", 0) end
  local cmd = options.cmd or { "tenets-session-server" }
  if type(cmd) == "string" then cmd = { cmd } end
  if type(cmd) ~= "table" or #cmd == 0 then
    error('tenets: cmd: expected a list such as { "tenets-session-server" }', 0)
  end
  local marks = options.marks or false
  if not MARKS[marks] then error('tenets: marks: expected false, "text" or "sign"', 0) end
  if options.on_change ~= nil and type(options.on_change) ~= "function" then
    error("tenets: on_change: expected a function", 0)
  end
  M.cmd, M.marks, M.on_change = cmd, marks, options.on_change
end

return M
