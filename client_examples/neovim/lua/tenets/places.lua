--- Where notes belong: files and lines.

local server = require("tenets.server")
local text = require("tenets.text")
local ui = require("tenets.ui")

local M = {}

local present = server.present
-- Bytes of a text that the server looks through.
local LARGEST = 1024 * 1024
-- What the server compares of an anchor: see "addContext" in the protocol.
local QUOTED, AROUND, COMPARED = 20, 3, 500
local MOST = 1000 -- notes of one file that are listed

--- Returns the URI of the file in a buffer; nil if it is in none.
function M.uri(buffer)
  if not vim.api.nvim_buf_is_valid(buffer) or vim.bo[buffer].buftype ~= "" then return nil end
  local name = vim.api.nvim_buf_get_name(buffer)
  if name == "" then return nil end
  return name:match("^%a[%w+.-]+://") and name or vim.uri_from_fname(name)
end

--- Returns the lines of a buffer. Neovim stores a NUL byte as a line feed.
function M.lines(buffer, first, last)
  local lines = vim.api.nvim_buf_get_lines(buffer, first, last, false)
  for index, line in ipairs(lines) do
    if line:find("\n", 1, true) then lines[index] = line:gsub("\n", "\0") end
  end
  return lines
end

--- Returns the text of a buffer as its file would have it; nil if it is too large to look through.
local function whole_text(buffer)
  local count = vim.api.nvim_buf_line_count(buffer)
  if vim.api.nvim_buf_get_offset(buffer, count) > LARGEST then return nil end
  return table.concat(M.lines(buffer, 0, -1), "\n") .. "\n"
end

local function collapsed(line)
  line = line:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
  return #line <= COMPARED and line or vim.fn.strcharpart(line, 0, COMPARED)
end

--- Returns the anchor of some lines: what the server compares to find them again; nil if the text
--- is too large to be looked through.
local function anchor(buffer, first, last)
  if not whole_text(buffer) then return nil end
  local all = vim.tbl_map(collapsed, M.lines(buffer, 0, -1))
  table.insert(all, "") -- the text after the last line end
  local quoted = vim.list_slice(all, first, math.min(last, first + QUOTED - 1))
  local occurrences = 0
  for start = 1, #all - #quoted + 1 do
    local is_here = true
    for index, line in ipairs(quoted) do
      if all[start + index - 1] ~= line then
        is_here = false
        break
      end
    end
    if is_here then occurrences = occurrences + 1 end
  end
  return {
    quote = table.concat(quoted, "\n"),
    before = vim.list_slice(all, math.max(1, first - AROUND), first - 1),
    after = vim.list_slice(all, last + 1, last + AROUND),
    occurrences = occurrences,
  }
end

--- Returns the location of some lines of a buffer; nil if it is in no file.
function M.location(buffer, first, last)
  local uri = M.uri(buffer)
  if not uri then return nil end
  local range = {
    start = { line = first - 1, character = 0 },
    ["end"] = { line = last, character = 0 },
  }
  -- The server would take it of the file as it is on the disk, which may be another text.
  return { uri = uri, range = range, anchor = anchor(buffer, first, last) }
end

--- Finds the notes of a buffer's file in its text, and calls `done(placed, lost)`: the numbers of
--- their first lines by their ids, and the ids of those that have lost theirs.
function M.locate(buffer, done, failed)
  local uri, whole = M.uri(buffer), whole_text(buffer)
  if not uri or not whole then return done({}, {}) end
  server.request("locate", { uri = uri, text = whole }, function(found)
    local placed = {}
    for _, one in ipairs(found.placed) do placed[one.id] = one.range.start.line + 1 end
    done(placed, found.lost)
  end, failed)
end

--- Calls `done(entries)` with the notes of a buffer's file, without their contents.
function M.notes(buffer, done, failed)
  local params = { uri = M.uri(buffer), includeContent = false, limit = MOST, order = "newest" }
  server.request("listContext", params, function(page) done(page.entries) end, failed)
end

--- Lists the notes of a buffer's file in the location list, by their lines.
function M.list(buffer)
  if not M.uri(buffer) then return server.fail("this buffer is in no file, so no note is about it") end
  local window = vim.api.nvim_get_current_win()
  M.notes(buffer, function(entries)
    M.locate(buffer, function(placed)
      local items = {}
      for _, entry in ipairs(entries) do
        local range = present(entry.location.range)
        local line = placed[entry.id]
        local was = range and not line and ("was line %d"):format(range.start.line + 1)
        table.insert(items, {
          bufnr = buffer,
          lnum = line or (range and 0 or 1),
          valid = (line or not range) and 1 or 0,
          text = text.joined(was, entry.preview, entry.sessionName),
        })
      end
      local function place(item) return item.valid == 1 and item.lnum or math.huge end
      table.sort(items, function(one, other) return place(one) < place(other) end)
      if not vim.api.nvim_win_is_valid(window) then return end
      local name = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buffer), ":t")
      vim.fn.setloclist(window, {}, " ", { title = "Notes of " .. name, items = items })
      if #items == 0 then return server.show("there are no notes on " .. name) end
      ui.when_idle(function()
        if vim.api.nvim_get_current_win() == window then vim.cmd("lopen") end
      end)
    end)
  end)
end

--- Goes to the window in which a file is opened from the notes: one that shows it, or the one that
--- the user came from.
local function go_to_window(file)
  for _, shown in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.api.nvim_buf_get_name(vim.api.nvim_win_get_buf(shown)) == file then
      return vim.api.nvim_set_current_win(shown)
    end
  end
  local window = vim.fn.win_getid(vim.fn.winnr("#"))
  if window <= 0 or vim.bo[vim.api.nvim_win_get_buf(window)].buftype ~= "" then
    return vim.cmd("split")
  end
  vim.api.nvim_set_current_win(window)
end

--- Opens the file of a note's location, at the line where the note is now.
function M.open(entry)
  local location = present(entry.location)
  if not location then return server.show("this note has no place") end
  local file = text.file(location.uri)
  if not file then return server.show("Neovim cannot open " .. location.uri) end
  go_to_window(file)
  if vim.api.nvim_buf_get_name(0) ~= file then
    local ok, problem = pcall(vim.cmd, "edit " .. vim.fn.fnameescape(file))
    if not ok then return server.fail((tostring(problem):gsub("^.-:(E%d+)", "%1"))) end
  end
  local buffer = vim.api.nvim_get_current_buf()
  local range = present(location.range)
  if not range then return end
  M.locate(buffer, function(placed)
    local line = placed[entry.id]
    if not line then
      local sentence = "the line is not there any more; it was line %d"
      return server.show(sentence:format(range.start.line + 1))
    end
    if vim.api.nvim_get_current_buf() ~= buffer then return end
    vim.cmd("normal! m'")
    vim.api.nvim_win_set_cursor(0, { line, 0 })
  end)
end

return M
