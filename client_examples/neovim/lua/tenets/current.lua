--- The sessions that the windows show: each that of its working folder, kept up to date.

local config = require("tenets.config")
local server = require("tenets.server")

local M = {
  --- The newest state of the database that this Neovim knows of.
  state = nil,
}

local names = {} -- of the current sessions, by folder; false where there is none
local announced = nil -- the name that was announced last
local revision = -1 -- of the newest didChange of this connection

--- Returns the name of the current session of a window, by default the current one; nil if there is
--- none, or if it is not known.
function M.name(window) return names[server.folder(window)] or nil end

--- Announces the session of the current window, if that is another one now.
local function announce()
  if server.state == "running" and names[server.folder()] == nil then return end -- not known yet
  local name = M.name()
  if name == announced then return end
  announced = name
  if vim.fn.exists("#User#TenetsSessionChanged") == 1 then
    local ok, problem = pcall(vim.cmd, "doautocmd <nomodeline> User TenetsSessionChanged")
    if not ok then server.fail(tostring(problem)) end
  end
  if not config.on_change then return end
  local ok, problem = pcall(config.on_change, name)
  if not ok then server.fail("on_change: " .. tostring(problem)) end
end

local function refresh()
  vim.cmd("redrawstatus!")
  announce()
end

local function set(folder, session)
  session = server.present(session)
  names[folder] = session and session.name or false
end

local function ask(folder, done, failed)
  server.request("getCurrent", { folder = folder, includeMetadata = false }, function(found)
    -- What was told meanwhile is newer than this reply.
    if found.revision < revision then return ask(folder, done, failed) end
    M.state = found.state
    set(folder, found.session)
    refresh()
    if done then done(server.present(found.session), server.present(found.binding)) end
  end, failed)
end

--- Asks the server which session the current window shows, and calls `done(session, binding)`.
function M.ask(done, failed) ask(server.folder(), done, failed) end

local function ask_all()
  for _, folder in ipairs(server.folders) do ask(folder, nil, server.ignore) end
end

--- Goes on in another window, or in another working folder.
local function follow()
  local before = server.folders
  server.tell_folders()
  if server.folders ~= before then ask_all() end
  announce()
end

local function did_change(params)
  if type(params.revision) ~= "number" or params.revision <= revision then return end
  revision = params.revision
  M.state = server.present(params.state)
  local currents = server.present(params.currents) or {}
  for index, folder in ipairs(server.folders) do
    local shown = currents[index]
    if shown then set(folder, shown.session) else set(folder, params.active) end
  end
  refresh()
end

local function begin()
  -- Revisions belong to a database file, and the file may have changed.
  revision = server.capability.revision or -1
  server.tell_folders() -- they may have been changed while the server started
  ask_all()
end

server.listen(function(what, value)
  if what == "change" then return did_change(value) end
  if value == "running" then
    begin()
  elseif value == "lost" or value == "none" then
    names = {}
  end
  refresh()
end)

vim.api.nvim_create_autocmd({ "DirChanged", "WinEnter", "TabEnter" }, {
  group = vim.api.nvim_create_augroup("tenets_current", { clear = true }),
  callback = follow,
})

if server.state == "running" then begin() end

return M
