--- The session that this Neovim shows: that of its working folder, kept up to date.

local config = require("tenets.config")
local server = require("tenets.server")

local M = {
  --- Name of the current session; nil if there is none, or if it is not known.
  name = nil,
  --- The folder that is bound to it, as a URI; nil if it is shown because it is active.
  binding = nil,
  --- The newest state of the database that this Neovim knows of.
  state = nil,
}

local revision = -1 -- of the newest didChange of this connection
local folder -- that the server knows

local function announce()
  vim.cmd("redrawstatus!")
  if vim.fn.exists("#User#TenetsSessionChanged") == 1 then
    vim.cmd("doautocmd <nomodeline> User TenetsSessionChanged")
  end
  if not config.on_change then return end
  local ok, problem = pcall(config.on_change, M.name)
  if not ok then server.fail("on_change: " .. tostring(problem)) end
end

local function set(session, binding)
  local before = M.name
  session = server.present(session)
  M.name, M.binding = session and session.name, server.present(binding)
  if M.name ~= before then announce() end
end

--- Asks the server which session is current, and calls `done(session, binding)`.
function M.ask(done, failed)
  server.request("getCurrent", { folder = server.folder(), includeMetadata = false }, function(found)
    -- What was told meanwhile is newer than this reply.
    if found.revision < revision then return M.ask(done, failed) end
    M.state = found.state
    set(found.session, found.binding)
    if done then done(server.present(found.session), server.present(found.binding)) end
  end, failed)
end

local function did_change(params)
  if type(params.revision) ~= "number" or params.revision <= revision then return end
  revision = params.revision
  M.state = server.present(params.state)
  local shown = (server.present(params.currents) or {})[1]
  if shown then return set(shown.session, shown.binding) end
  set(params.active, nil)
end

server.listen(function(what, value)
  if what == "change" then return did_change(value) end
  if value == "running" then
    -- Revisions belong to a database file, and the file may have changed.
    revision = server.capability.revision or -1
    folder = { uri = server.folder(), name = "" }
    M.ask(nil, server.ignore)
  elseif value == "lost" or value == "none" then
    set(nil, nil)
  end
  vim.cmd("redrawstatus!")
end)

vim.api.nvim_create_autocmd("DirChanged", {
  group = vim.api.nvim_create_augroup("tenets_current", { clear = true }),
  callback = function()
    local new = { uri = server.folder(), name = "" }
    if server.state ~= "running" or new.uri == folder.uri then return end
    server.change_folder(folder, new)
    folder = new
    M.ask(nil, server.ignore)
  end,
})

return M
