--- Work sessions shared by every editor on the machine, through tenets-session-server.
---
--- See `:help tenets`. For Neovim 0.7.2 and newer.

local M = {}

local is_wanted = false -- whether something shows the current session

--- Starts the server, later: not while the status line is drawn, nor while Neovim starts.
local function want()
  if is_wanted then return end
  is_wanted = true
  vim.schedule(function()
    require("tenets.current")
    require("tenets.server").start()
  end)
end

--- The name of the session that the current window shows; nil if there is none, or if it is not
--- known yet.
function M.current()
  want()
  local current = package.loaded["tenets.current"]
  -- While 'statusline' is "%!...", another window may be drawn than the current one.
  return current and current.name(vim.g.statusline_winid)
end

--- For 'statusline': "tenets: NAME", "" if no session is current, or "tenets: disconnected".
function M.statusline()
  local name = M.current()
  local server = package.loaded["tenets.server"]
  if server and server.state == "lost" then return "tenets: disconnected" end
  return name and "tenets: " .. name or ""
end

--- Sets options, see |tenets-options|. Without a call the defaults are used.
function M.setup(options)
  local config = require("tenets.config")
  local before = config.cmd
  config.set(options)
  local server = package.loaded["tenets.server"]
  if server and not vim.deep_equal(config.cmd, before) then server.restart() end
  -- Neovim loads it after the configuration; not if it was started without plugins.
  if vim.v.vim_did_enter == 1 or not vim.o.loadplugins then vim.cmd("runtime plugin/tenets.lua") end
  if config.marks then
    require("tenets.marks").enable()
  elseif package.loaded["tenets.marks"] then
    require("tenets.marks").disable()
  end
  if config.on_change or config.marks then want() end
  vim.schedule(function()
    if vim.fn.exists("#User#TenetsSessionChanged") == 1 then want() end
  end)
end

return M
