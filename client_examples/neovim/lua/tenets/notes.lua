--- Notes in a buffer: `tenets://session/NAME` has those of a session, `tenets://note/ID` has one.
---
--- Each note has a heading, and its text below it. `:w` writes back what was changed, removes the
--- notes whose heading is gone, and adds what is below a heading for a new note. A heading is known
--- by its whole line, so it may not be edited.

local places = require("tenets.places")
local server = require("tenets.server")
local text = require("tenets.text")
local ui = require("tenets.ui")

require("tenets.current")

local M = {}

local present = server.present
local MOST = 200 -- notes of a session that are shown, the newest ones
local LARGEST = 8 * 1024 * 1024 -- bytes of notes, about, after which older ones are left out
local WRITE_WAIT = 5000 -- milliseconds for which :w waits for the replies
local highlights = vim.api.nvim_create_namespace("tenets_notes")
-- At the headings of the notes that are being added, to find them again when the reply comes.
local additions = vim.api.nvim_create_namespace("tenets_additions")

-- What is in each buffer:
-- * `name`: of the buffer; `session`: its id and name; `rule`: the line that headings are made of
-- * `notes`: by their headings; `order`: the headings as they were read
-- * `new`: the heading of a note to be added; `first`: a line that tells of older notes
-- * `plain`: the lines of contents that look like a heading
-- * `keys`: of the notes that were sent to be added, by their marks
-- * `is_read`: false until there is something that may be written
local contents = {}
local keys = 0 -- that were made
-- For each buffer that is being read: "running", or "again" if it has to be read once more then.
local readings = {}
-- The notes of all headings that were shown: such a line in another buffer is a note that was moved.
local shown_notes = {}

local function escaped(name)
  return (name:gsub("[%%\n]", function(one) return ("%%%02X"):format(one:byte()) end))
end

local function unescaped(name)
  return (name:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function session_buffer_name(name) return "tenets://session/" .. escaped(name) end

--- Returns what a buffer shows: `sessionName`, or `ids`; nil if it has no such name.
local function source_of(buffer)
  local kind, rest = vim.api.nvim_buf_get_name(buffer):match("^tenets://(%a+)/(.+)$")
  if kind == "session" then return { sessionName = unescaped(rest) } end
  local id = kind == "note" and tonumber(rest)
  return id and { ids = { id } }
end

local function lines_of(buffer) return vim.api.nvim_buf_get_lines(buffer, 0, -1, false) end

--- Returns what a heading says of a note.
local function facts_of(entry)
  local facts = text.joined(
    tostring(entry.id), entry.kind, text.author(entry), text.time(entry.createdAt),
    text.place(entry.location)
  )
  -- The name of a file may have a line feed.
  return (facts:gsub("%c", "?"))
end

--- Returns a rule with which no line of a note begins as a heading does.
local function rule_for(entries)
  local rule = "──"
  local function is_taken()
    for _, entry in ipairs(entries) do
      local content = "\n" .. (present(entry.content) or "")
      if content:find("\n" .. rule .. " ", 1, true) then return true end
    end
  end
  while is_taken() do rule = rule .. "─" end
  return rule
end

--- Returns what stands for the content of a note that is too large to be listed.
local function stand_in(entry) return ("(too large to be edited here: %d bytes)"):format(entry.size) end

--- Makes a note known by its heading, and returns that.
local function know(known, entry, state, content)
  local facts = facts_of(entry)
  local line = ("%s %s %s"):format(known.rule, facts, known.rule)
  known.notes[line] = { id = entry.id, content = content, state = state, entry = entry, facts = facts }
  shown_notes[line] = known.notes[line]
  table.insert(known.order, line)
  return line
end

local function highlight(buffer)
  vim.api.nvim_buf_clear_namespace(buffer, highlights, 0, -1)
  local known = contents[buffer]
  for number, line in ipairs(lines_of(buffer)) do
    if known.notes[line] or line == known.new then
      local options = { end_col = #line, hl_group = "Title", priority = 200 }
      vim.api.nvim_buf_set_extmark(buffer, highlights, number - 1, 0, options)
    end
  end
end

--- Puts lines into a buffer, so that no undo brings back what was there.
local function put(buffer, lines)
  local bo = vim.bo[buffer]
  bo.modifiable = true
  if not vim.deep_equal(lines_of(buffer), lines) then
    local levels = bo.undolevels
    bo.undolevels = -1
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
    bo.undolevels = levels
  end
  bo.modified = false
end

--- Returns the note whose heading is at or above a line, and how many lines that is above it.
local function note_at(buffer, line)
  local known = contents[buffer]
  for number = line, 1, -1 do
    local found = vim.api.nvim_buf_get_lines(buffer, number - 1, number, false)[1]
    if found == known.new then return nil end
    if known.notes[found] then return known.notes[found], line - number end
  end
end

--- Remembers on which note each window's cursor is; returns a function that puts them back there.
local function keep_cursors(buffer)
  local kept = {}
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    local line, column = unpack(vim.api.nvim_win_get_cursor(window))
    local note, below = note_at(buffer, line)
    table.insert(kept, { window = window, line = line, column = column, note = note, below = below })
  end
  return function()
    local lines = lines_of(buffer)
    for _, one in ipairs(kept) do
      local line = one.line
      for number, shown in ipairs(one.note and lines or {}) do
        local note = contents[buffer].notes[shown]
        if note and note.id == one.note.id then line = number + one.below end
      end
      vim.api.nvim_win_set_cursor(one.window, { math.min(line, #lines), one.column })
    end
  end
end

--- Shows what was read. The cursor stays on its note; at first it is at the text of the newest one.
local function show(buffer, session, entries, state, older)
  local before = contents[buffer]
  local restore = before.is_read and keep_cursors(buffer)
  local rule = rule_for(entries)
  local known = { name = before.name, session = session, rule = rule, is_read = true }
  known.notes, known.order, known.plain, known.keys = {}, {}, {}, {}
  known.new = rule .. " new note " .. rule
  local lines = {}
  if older then
    known.first = ("%s older notes are not shown %s"):format(rule, rule)
    table.insert(lines, known.first)
  end
  for _, entry in ipairs(entries) do
    local content = present(entry.content)
    table.insert(lines, know(known, entry, state, content))
    for _, line in ipairs(vim.split(content or stand_in(entry), "\n", { plain = true })) do
      if vim.startswith(line, "──") then known.plain[line] = true end
      table.insert(lines, line)
    end
  end
  if #entries == 0 then lines = { known.new, "" } end
  contents[buffer] = known
  put(buffer, lines)
  highlight(buffer)
  if restore then return restore() end
  local last = known.order[#known.order] or known.new
  for number, line in ipairs(lines) do
    if line == last then
      for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
        vim.api.nvim_win_set_cursor(window, { math.min(number + 1, #lines), 0 })
      end
    end
  end
end

--- Calls `done(session, entries, state, older)` with what a buffer shows, oldest first.
local function fetch(source, session, done, failed)
  local entries, state, size = {}, nil, 0
  local function page_of(cursor)
    local params = { order = "newest", limit = MOST, cursor = cursor }
    params.ids, params.sessionId = source.ids, session and session.id
    server.request("listContext", params, function(page)
      vim.list_extend(entries, page.entries)
      for _, entry in ipairs(page.entries) do size = size + entry.size end
      state = state or page.state -- of the first page: what changes meanwhile is a conflict
      local rest = present(page.nextCursor)
      if rest and #entries < MOST and size < LARGEST then return page_of(rest) end
      if source.ids and #entries == 0 then return failed("this note was deleted") end
      local shown = {}
      for index = math.min(#entries, MOST), 1, -1 do table.insert(shown, entries[index]) end
      done(session, shown, state, rest ~= nil or #entries > MOST)
    end, failed)
  end
  if source.ids then return page_of(nil) end
  local which = session and { sessionId = session.id } or { name = source.sessionName }
  server.request("get", vim.tbl_extend("error", which, { includeMetadata = false }), function(found)
    if not found then
      local name = session and session.name or source.sessionName
      return failed(("there is no session named %s (any more)"):format(name))
    end
    session = { id = found.id, name = found.name }
    page_of(nil)
  end, failed)
end

--- Whether a buffer is one of ours, and has no changes of its user.
local function may_be_read(buffer)
  return contents[buffer] and vim.api.nvim_buf_is_loaded(buffer) and not vim.bo[buffer].modified
end

--- Gives a buffer the name of its session, which may have been renamed.
local function rename(buffer, name)
  if contents[buffer].name == name then return end
  if pcall(vim.api.nvim_buf_set_name, buffer, name) then contents[buffer].name = name end
end

--- Reads the notes of a buffer. What its user has changed meanwhile stays.
local function load(buffer)
  local source = source_of(buffer)
  if not source then return end -- ":saveas" has made it another one
  if readings[buffer] then
    readings[buffer] = "again"
    return
  end
  readings[buffer] = "running"
  local function ended()
    local again = readings[buffer] == "again"
    readings[buffer] = nil
    if again and may_be_read(buffer) then load(buffer) end
  end
  local function arrived(session, entries, state, older)
    if may_be_read(buffer) then
      show(buffer, session, entries, state, older)
      if session then rename(buffer, session_buffer_name(session.name)) end
    end
  end
  fetch(source, contents[buffer].session, function(...)
    local arguments = { n = select("#", ...), ... }
    local function run()
      local ok, problem = pcall(arrived, unpack(arguments, 1, arguments.n))
      if not ok then server.fail(tostring(problem)) end
      ended()
    end
    -- Lines that are selected, or an operator that waits, would be about other lines.
    if vim.api.nvim_get_current_buf() ~= buffer then return run() end
    ui.when_idle(run)
  end, function(message)
    server.fail(message)
    ended()
  end)
end

--- Returns the notes in a buffer as they are now: the texts of those that are known, by their
--- headings; the new ones; and the line of a heading that was edited, if there is one.
local function parse(buffer)
  local known = contents[buffer]
  local found, new, damaged = {}, {}, nil
  local block = { lines = {} } -- what stands before the first heading is a new note, too
  local function finish()
    local body = table.concat(block.lines, "\n")
    if block.heading then
      found[block.heading] = body
    elseif vim.trim(body) ~= "" then
      block.content = body:gsub("\n+$", "")
      table.insert(new, block)
    end
  end
  for number, line in ipairs(places.lines(buffer, 0, -1)) do
    local other = shown_notes[line]
    if known.notes[line] or line == known.new or (other and not known.plain[line]) then
      finish()
      -- A copy of a note is a new one, and so is one of another session.
      local is_first = known.notes[line] and found[line] == nil
      block = { lines = {}, number = number, heading = is_first and line or nil, of = other }
    elseif line ~= known.first then
      for _, note in pairs(known.notes) do
        if line:find(note.facts, 1, true) and not known.plain[line] then damaged = number end
      end
      table.insert(block.lines, line)
    end
  end
  finish()
  return found, new, damaged
end

--- Returns whether the user wants so many notes to be removed.
local function may_remove(found, known)
  local gone = 0
  for _, line in ipairs(known.order) do
    if found[line] == nil and not known.notes[line].is_gone then gone = gone + 1 end
  end
  if gone < 2 then return true end
  local from = known.session and " from " .. known.session.name or ""
  return vim.fn.confirm(("tenets: remove %d notes%s?"):format(gone, from), "&Yes\n&No", 2) == 1
end

--- Returns the mark and the key of a note that is to be added: those that it has, if it was sent.
local function addition(buffer, block)
  local known, row = contents[buffer], (block.number or 1) - 1
  local at = vim.api.nvim_buf_get_extmarks(buffer, additions, { row, 0 }, { row, -1 }, {})[1]
  local mark = at and at[1] or vim.api.nvim_buf_set_extmark(buffer, additions, row, 0, {})
  if not known.keys[mark] then
    keys = keys + 1
    known.keys[mark] = ("neovim %d %d %d"):format(vim.loop.os_getpid(), vim.loop.hrtime(), keys)
  end
  return mark, known.keys[mark]
end

--- Gives a note that was added its heading, wherever it is by now.
local function added(buffer, mark, entry, content)
  if not (contents[buffer] and vim.api.nvim_buf_is_loaded(buffer)) then return end
  local at = vim.api.nvim_buf_get_extmark_by_id(buffer, additions, mark, {})
  local known = contents[buffer]
  if not at[1] or not known.keys[mark] then return end
  known.keys[mark] = nil
  vim.api.nvim_buf_del_extmark(buffer, additions, mark)
  local line = know(known, entry, entry.state, content)
  local there = vim.api.nvim_buf_get_lines(buffer, at[1], at[1] + 1, false)[1]
  local is_heading = there == known.new or known.notes[there] or shown_notes[there]
  local modified = vim.bo[buffer].modified
  vim.api.nvim_buf_set_lines(buffer, at[1], at[1] + (is_heading and 1 or 0), false, { line })
  vim.bo[buffer].modified = modified
  highlight(buffer)
end

--- Writes a buffer back. `forced`: what others have changed meanwhile is overwritten.
local function write(buffer, forced)
  local known = contents[buffer]
  if not (known and known.is_read) then return server.fail("the notes are not read yet: try again") end
  local found, new, damaged = parse(buffer)
  if damaged and not forced then
    return server.fail(("line %d was the heading of a note: undo its change"):format(damaged))
  end
  if not (forced or may_remove(found, known)) then return server.fail("nothing was written") end
  local waiting, removed, refused, has_added = 0, 0, {}, false
  local function request(verb, params, done, failed)
    waiting = waiting + 1
    server.request(verb, params, function(result)
      done(result)
      waiting = waiting - 1
    end, function(message, kind)
      failed(message, kind)
      waiting = waiting - 1
    end)
  end
  local function add(block)
    local entry = block.of and block.of.entry or {}
    local params = { kind = entry.kind or "note", location = entry.location, content = block.content }
    params.sessionId = known.session and known.session.id
      or known.notes[known.order[1]].entry.sessionId
    -- If there is no reply, it may be sent again, changed or not: it is added once.
    local mark, key = addition(buffer, block)
    params.identityKey, params.replace = key, true
    has_added = true
    request("addContext", params, function(result)
      added(buffer, mark, result, block.content)
    end, function(message) table.insert(refused, "a new note is not written: " .. message) end)
  end
  local function refuse(note, message, kind)
    local name = "note " .. note.id
    if kind == "conflict" then
      message = name .. " was changed elsewhere: :w! overwrites it, :e! shows it"
    elseif kind == "contextNotFound" then
      message = name .. " was deleted elsewhere: :w! adds it again, :e! shows what is there"
    else
      message = name .. ": " .. message
    end
    table.insert(refused, message)
  end
  local numbers = {}
  for number, line in ipairs(lines_of(buffer)) do numbers[line] = numbers[line] or number end
  for _, line in ipairs(vim.list_slice(known.order)) do
    local note, content = known.notes[line], found[line]
    local function again() add({ of = note, content = content, number = numbers[line] }) end
    local function ended()
      note.is_pending = false
    end
    local function failed(message, kind)
      ended()
      if kind ~= "contextNotFound" then return refuse(note, message, kind) end
      if content == nil then
        note.is_gone = true
      elseif forced then
        again()
      else
        refuse(note, message, kind)
      end
    end
    local params = { id = note.id, ifState = not forced and note.state or nil }
    if note.is_pending then
      table.insert(refused, ("note %d waits for a reply: write again later"):format(note.id))
    elseif note.is_gone then
      if content ~= nil then again() end -- an undo has brought it back
    elseif content == nil then
      note.is_pending = true
      request("removeContext", params, function()
        ended()
        note.is_gone, removed = true, removed + 1
      end, failed)
    elseif note.content == nil then
      if content ~= stand_in(note.entry) then
        table.insert(refused, ("note %d is too large to be edited here"):format(note.id))
      end
    elseif content ~= note.content then
      params.content, note.is_pending = content, true
      request("updateContext", params, function(result)
        ended()
        note.content, note.state = content, result.state
      end, failed)
    end
  end
  for _, block in ipairs(new) do add(block) end
  local tick = vim.api.nvim_buf_get_changedtick(buffer)
  if not vim.wait(WRITE_WAIT, function() return waiting == 0 end, 2) then
    return server.fail("no reply yet, so the notes may not be written: write them again later")
  end
  if removed > 0 then
    local back = removed == 1 and ":Tenets undo brings it back" or ":Tenets trash brings them back"
    server.show(("removed %s; %s"):format(text.count(removed, "note"), back))
  end
  if #refused > 0 then return server.fail(table.concat(refused, "\n")) end
  -- Headings of notes that were added are changes, too, but not of the user.
  if has_added or vim.api.nvim_buf_get_changedtick(buffer) == tick then
    vim.bo[buffer].modified = false
    load(buffer) -- what others have changed meanwhile
  end
end

--- Writes the lines of a buffer into a file, as ":write FILE" does.
local function write_copy(buffer, file, forced)
  if vim.fn.filereadable(file) == 1 and not forced then
    return server.fail(("the file %s exists (add ! to overwrite it)"):format(file))
  end
  local ok, problem = pcall(vim.fn.writefile, lines_of(buffer), file)
  if not ok then server.fail((tostring(problem):gsub("^.-:(E%d+)", "%1"))) end
end

--- Begins a new note at the end of the buffer of notes that the user is in; returns whether it is one.
function M.begin()
  local buffer = vim.api.nvim_get_current_buf()
  local known = contents[buffer]
  if not (known and known.is_read and vim.bo[buffer].modifiable) then return false end
  vim.api.nvim_buf_set_lines(buffer, -1, -1, false, { known.new, "" })
  vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(buffer), 0 })
  highlight(buffer)
  vim.cmd("startinsert")
  return true
end

--- Fills a buffer whose name begins with "tenets://".
function M.read(buffer)
  if not source_of(buffer) then
    return server.fail("expected tenets://session/NAME or tenets://note/ID")
  end
  local before = contents[buffer]
  local name = vim.api.nvim_buf_get_name(buffer)
  -- Until it is read there is nothing to be written.
  contents[buffer] = { name = name, session = before and before.session, notes = {}, order = {} }
  local bo = vim.bo[buffer]
  bo.buftype, bo.swapfile, bo.bufhidden, bo.modifiable = "acwrite", false, "hide", false
  bo.filetype = "markdown"
  local group = vim.api.nvim_create_augroup("tenets_notes_" .. buffer, { clear = true })
  local function on(event, callback)
    vim.api.nvim_create_autocmd(event, { group = group, buffer = buffer, callback = callback })
  end
  on("BufWriteCmd", function(event)
    local forced = vim.v.cmdbang == 1
    local known = contents[buffer]
    if known and event.match == known.name then return write(buffer, forced) end
    write_copy(buffer, event.match, forced)
  end)
  on("BufWipeout", function() contents[buffer] = nil end)
  vim.keymap.set("n", "<CR>", function()
    local note = note_at(buffer, vim.api.nvim_win_get_cursor(0)[1])
    if note then places.open(note.entry) end
  end, { buffer = buffer, desc = "Open the place of this note" })
  load(buffer)
end

local function open_buffer(name)
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    local buffer = vim.api.nvim_win_get_buf(window)
    if vim.api.nvim_buf_get_name(buffer) == name then
      vim.api.nvim_set_current_win(window)
      if not contents[buffer] then M.read(buffer) end
      return
    end
  end
  vim.cmd("split " .. vim.fn.fnameescape(name))
end

--- Opens the notes of a session.
function M.open_session(name) open_buffer(session_buffer_name(name)) end

--- Opens one note.
function M.open_note(id) open_buffer("tenets://note/" .. id) end

--- Whether a change may be one of what a buffer shows.
local function concerns(known, change)
  if change.type == "restored" then return true end
  local is_of_session = known.session and change.sessionId == known.session.id
  if is_of_session and change.type ~= "activated" and change.type ~= "deactivated" then return true end
  for _, note in pairs(known.notes) do
    if note.id == change.contextId then return true end
  end
  return false
end

-- Buffers without changes of their own follow those of others.
server.listen(function(what, value)
  for buffer, known in pairs(contents) do
    local is_affected = what == "state" and value == "running"
    if what == "change" then
      is_affected = value.incomplete
      for _, change in ipairs(present(value.changes) or {}) do
        is_affected = is_affected or concerns(known, change)
      end
    end
    if not vim.api.nvim_buf_is_valid(buffer) then
      contents[buffer] = nil
    elseif is_affected and may_be_read(buffer) then
      load(buffer)
    end
  end
end)

return M
