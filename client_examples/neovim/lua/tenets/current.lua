--- The session that this Neovim shows: that of its working folder, kept up to date.

local config = require("tenets.config")
local server = require("tenets.server")

local M = {
  --- Name of the current session; nil if there is none, or if it is not known.
  name = nil,
  --- The newest state of the database that this Neovim knows of.
  state = nil,
}

local revision = -1 -- of the newest didChange of this connection

local function announce()
  vim.cmd("redrawstatus!")
  if vim.fn.exists("#User#TenetsSessionChanged") == 1 then
    local ok, problem = pcall(vim.cmd, "doautocmd <nomodeline> User TenetsSessionChanged")
    if not ok then server.fail(tostring(problem)) end
  end
  if not config.on_change then return end
  local ok, problem = pcall(config.on_change, M.name)
  if not ok then server.fail("on_change: " .. tostring(problem)) end
end

local function set(session)
  local before = M.name
  session = server.present(session)
  M.name = session and session.name
  if M.name ~= before then announce() end
end

--- Asks the server which session is current, and calls `done(session, binding)`.
function M.ask(done, failed)
  server.request("getCurrent", { folder = server.folder(), includeMetadata = false }, function(found)
    -- What was told meanwhile is newer than this reply.
    if found.revision < revision then return M.ask(done, failed) end
    M.state = found.state
    set(found.session)
    if done then done(server.present(found.session), server.present(found.binding)) end
  end, failed)
end

local function did_change(params)
  if type(params.revision) ~= "number" or params.revision <= revision then return end
  revision = params.revision
  M.state = server.present(params.state)
  local shown = (server.present(params.currents) or {})[1]
  if shown then return set(shown.session) end
  set(params.active)
end

local function begin()
  -- Revisions belong to a database file, and the file may have changed.
  revision = server.capability.revision or -1
  server.tell_folder() -- it may have been changed while the server started
  M.ask(nil, server.ignore)
end

server.listen(function(what, value)
  if what == "change" then return did_change(value) end
  if value == "running" then
    begin()
  elseif value == "lost" or value == "none" then
    set(nil)
  end
  vim.cmd("redrawstatus!")
end)

vim.api.nvim_create_autocmd("DirChanged", {
  group = vim.api.nvim_create_augroup("tenets_current", { clear = true }),
  callback = function()
    if server.tell_folder() then M.ask(nil, server.ignore) end
  end,
})

if server.state == "running" then begin() end

return M
