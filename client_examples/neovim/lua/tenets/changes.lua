--- What others have changed since the user was last here.

local current = require("tenets.current")
local notes = require("tenets.notes")
local server = require("tenets.server")
local text = require("tenets.text")
local ui = require("tenets.ui")

local M = {}

local present = server.present
local MOST = 1000 -- changes of one request; the newest of them are listed

local WORDS = {
  activated = "made active",
  bound = "bound to a folder",
  contextAdded = "added",
  contextRemoved = "note deleted",
  contextUpdated = "changed",
  created = "session created",
  deactivated = "left",
  deleted = "session deleted",
  renamed = "renamed",
  reset = "reset",
  restored = "restored",
  updated = "changed",
}

-- The state that the user has seen, of each database.
local file = vim.fn.stdpath("data") .. "/tenets/seen"

local function database() return present(server.capability.database) or "" end

local function read()
  local ok, lines = pcall(vim.fn.readfile, file)
  local decoded, states = pcall(vim.json.decode, ok and lines[1] or "")
  return decoded and type(states) == "table" and states or {}
end

--- Stores the state that the user has seen. Where that fails, the next list is longer.
local function see(state)
  local states = read()
  states[database()] = state
  pcall(vim.fn.mkdir, vim.fn.fnamemodify(file, ":h"), "p")
  pcall(vim.fn.writefile, { vim.json.encode(states) }, file)
end

local function line(change, entry)
  local name = present(change.sessionName) or present(change.folder) or "a session that is gone"
  local what = WORDS[change.type] or change.type
  return text.joined(entry and entry.preview, name, what, change.author)
end

local function list(found)
  if #found == 0 then return server.show("nothing has changed") end
  local ids = {}
  for _, change in ipairs(found) do
    if present(change.contextId) then ids[change.contextId] = true end
  end
  local function choose(entries)
    local known = {}
    for _, entry in ipairs(entries) do known[entry.id] = entry end
    local function format(change) return line(change, known[change.contextId]) end
    ui.choose(found, "Changed by others: ", format, function(change)
      if known[change.contextId] then notes.open_note(change.contextId) end
    end)
  end
  if next(ids) == nil then return choose({}) end
  local params = { ids = vim.tbl_keys(ids), includeContent = false, limit = MOST }
  server.request("listContext", params, function(page) choose(page.entries) end)
end

--- Lists what others have changed since the user asked last, at first since Neovim was started; the
--- newest comes first.
function M.show()
  local found = {}
  local function fetch(state)
    -- Other Neovims have the same author, so what they did is not listed.
    local params = { sinceState = state, notAuthor = present(server.capability.author), limit = MOST }
    server.request("changes", params, function(page)
      for _, change in ipairs(page.changes) do table.insert(found, 1, change) end
      if page.truncated then return fetch(page.state) end
      see(page.state)
      list(vim.list_slice(found, 1, MOST))
    end, function(message, kind)
      if kind ~= "revisionExpired" then return server.fail(message) end
      see(current.state)
      server.show("so much has changed that single changes are not known any more")
    end)
  end
  -- It starts the server, and brings the state of now.
  current.ask(function() fetch(read()[database()] or present(server.capability.state)) end)
end

return M
