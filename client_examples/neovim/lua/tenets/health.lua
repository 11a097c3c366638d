--- `:checkhealth tenets`.

local M = {}

-- 0.10 has other names.
local health = vim.health or require("health")
local start = health.start or health.report_start
local ok, info = health.ok or health.report_ok, health.info or health.report_info
local warn, error = health.warn or health.report_warn, health.error or health.report_error

--- Sends a request and waits for the reply; returns it, or nil and the message.
local function reply(verb)
  require("tenets.current")
  local server = require("tenets.server")
  local result, problem
  server.request(verb, {}, function(found) result = found or false end, function(message)
    problem = message
  end)
  if not server.wait(function() return result ~= nil or problem ~= nil end) then
    problem = "no reply"
  end
  return result, problem
end

function M.check()
  start("tenets")
  local config, server = require("tenets.config"), require("tenets.server")
  local program = config.cmd[1]
  if vim.fn.executable(program) == 0 then
    return error(program .. " is not installed, or not on the PATH", {
      "pipx install tenets-session-server",
      'or name it: require("tenets").setup{ cmd = { "/path/to/tenets-session-server" } }',
    })
  end
  ok(program .. " is " .. vim.fn.exepath(program))
  local stats, problem = reply("stats")
  if not stats then
    return error("the server does not answer: " .. problem, {
      "run it in a terminal: " .. table.concat(config.cmd, " "),
      "its log: :lua print(require('vim.lsp.log').get_filename())",
      "tenets-session doctor",
    })
  end
  local capability = server.capability
  ok("the server answers")
  info(("database: %s (%s)"):format(capability.database, tostring(server.present(capability.databaseReason))))
  info(("sessions: %d, notes: %d"):format(stats.sessions, stats.contextEntries))
  for _, warning in ipairs(capability.warnings or {}) do warn(warning) end
  local current = require("tenets.current")
  info("current session: " .. (current.name() or "none"))
end

return M
