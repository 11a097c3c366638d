--- Marks of notes at their lines. They move with the text; they are drawn anew when it is read or
--- written, and when a note changes.

local config = require("tenets.config")
local places = require("tenets.places")
local server = require("tenets.server")

local M = {}

local SIGN = "✎"
local LONGEST = 40 -- characters of a note that are shown
-- A sign of a diagnostic has 10, and only one may be shown.
local PRIORITY = 1

local namespace = vim.api.nvim_create_namespace("tenets_marks")
local is_listening = false

local function mark(buffer, line, preview)
  local shown = vim.fn.strcharpart(preview, 0, LONGEST)
  if shown ~= preview then shown = shown .. "…" end
  local look = config.marks == "sign" and { sign_text = SIGN, sign_hl_group = "TenetsMark" }
    or { virt_text = { { SIGN .. " " .. shown, "TenetsMark" } }, hl_mode = "combine" }
  look.priority = PRIORITY
  vim.api.nvim_buf_set_extmark(buffer, namespace, line - 1, 0, look)
end

--- Draws the marks of a buffer.
local function draw(buffer)
  if not (vim.api.nvim_buf_is_loaded(buffer) and places.uri(buffer)) then return end
  local tick = vim.api.nvim_buf_get_changedtick(buffer)
  places.notes(buffer, function(entries)
    places.locate(buffer, function(placed)
      if not (config.marks and vim.api.nvim_buf_is_loaded(buffer)) then return end
      -- Lines of a text that has changed meanwhile would be wrong ones.
      if vim.api.nvim_buf_get_changedtick(buffer) ~= tick then return draw(buffer) end
      vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
      for _, entry in ipairs(entries) do
        local line = placed[entry.id]
        if line and line <= vim.api.nvim_buf_line_count(buffer) then
          mark(buffer, line, entry.preview)
        end
      end
    end, server.ignore)
  end, server.ignore)
end

local function draw_all()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do draw(buffer) end
end

local function clear_all()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) then
      vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
    end
  end
end

--- Whether a notification may be about a note at a line.
local function is_of_notes(params)
  if params.incomplete then return true end
  for _, change in ipairs(server.present(params.changes) or {}) do
    local is_session = change.type == "activated" or change.type == "deactivated"
      or change.type == "bound" or change.type == "created" or change.type == "updated"
    if not is_session then return true end
  end
  return false
end

--- Draws the marks, and keeps them up to date.
function M.enable()
  vim.cmd("highlight default link TenetsMark Comment")
  local group = vim.api.nvim_create_augroup("tenets_marks", { clear = true })
  vim.api.nvim_create_autocmd({ "BufReadPost", "BufWritePost" }, {
    group = group,
    callback = function(event) draw(event.buf) end,
  })
  if not is_listening then
    is_listening = true
    server.listen(function(what, value)
      if not config.marks then return end
      if value == "running" or (what == "change" and is_of_notes(value)) then draw_all() end
    end)
  end
  clear_all()
  if server.state == "running" then draw_all() end
end

--- Removes the marks.
function M.disable()
  vim.api.nvim_create_augroup("tenets_marks", { clear = true })
  clear_all()
end

return M
