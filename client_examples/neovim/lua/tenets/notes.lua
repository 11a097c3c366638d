--- Notes in a buffer: `tenets://session/NAME` has those of a session, `tenets://note/ID` has one.
---
--- Each note has a heading, and its text below it. `:w` writes back what was changed, removes the
--- notes whose heading is gone, and adds what is below a heading for a new note. A heading is known
--- by its whole line, so it may not be edited.

local places = require("tenets.places")
local server = require("tenets.server")
local text = require("tenets.text")

local M = {}

local present = server.present
local MOST = 200 -- notes of a session that are shown, the newest ones
local LARGEST = 8 * 1024 * 1024 -- bytes of notes, about, after which older ones are left out
local WRITE_WAIT = 5000 -- milliseconds for which :w waits for the replies
local namespace = vim.api.nvim_create_namespace("tenets_notes")

-- What is in each buffer: `session` (id and name), `notes` by their headings, `order` (the headings
-- as they were read), `new` (the heading of a note to be added), `first` (a line that tells of older
-- notes), `keys` (of the texts that were sent as new notes), `is_read`.
local contents = {}
local keys = 0 -- that were made
-- For each buffer that is being read: "running", or "again" if it has to be read once more then.
local readings = {}

local function escaped(name)
  return (name:gsub("[%%\n]", function(one) return ("%%%02X"):format(one:byte()) end))
end

local function unescaped(name)
  return (name:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function session_buffer_name(name) return "tenets://session/" .. escaped(name) end

--- Returns what a buffer shows, as params of "listContext"; nil if it has no such name.
local function source_of(buffer)
  local kind, rest = vim.api.nvim_buf_get_name(buffer):match("^tenets://(%a+)/(.+)$")
  if kind == "session" then return { sessionName = unescaped(rest) } end
  local id = kind == "note" and tonumber(rest)
  return id and { ids = { id } }
end

local function heading(entry, rule)
  local place, author = text.place(entry.location), text.author(entry)
  local facts = text.joined(
    tostring(entry.id), entry.kind, author, text.time(entry.createdAt), place
  )
  -- A kind and an author may be anything but control characters; a file's name may have a line feed.
  return ("%s %s %s"):format(rule, facts:gsub("%c", "?"), rule)
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

--- Puts lines into a buffer, so that no undo brings back what was there.
local function put(buffer, lines)
  local bo = vim.bo[buffer]
  local levels = bo.undolevels
  bo.modifiable, bo.undolevels = true, -1
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  bo.undolevels, bo.modified = levels, false
end

local function highlight(buffer)
  vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  local known = contents[buffer]
  for number, line in ipairs(vim.api.nvim_buf_get_lines(buffer, 0, -1, false)) do
    if known.notes[line] or line == known.new then
      local options = { end_col = #line, hl_group = "Title", priority = 200 }
      vim.api.nvim_buf_set_extmark(buffer, namespace, number - 1, 0, options)
    end
  end
end

--- Returns the heading at or above a line of a buffer, and how far above it is.
local function heading_at(buffer, line)
  local known = contents[buffer]
  for number = line, 1, -1 do
    local found = vim.api.nvim_buf_get_lines(buffer, number - 1, number, false)[1]
    if known.notes[found] then return found, line - number end
  end
end

--- Remembers on which note each window's cursor is; returns a function that puts them back there.
local function keep_cursors(buffer)
  local kept = {}
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    local line, column = unpack(vim.api.nvim_win_get_cursor(window))
    local found, below = heading_at(buffer, line)
    local note = found and contents[buffer].notes[found]
    table.insert(kept, { window = window, line = line, column = column, note = note, below = below })
  end
  return function()
    local count = vim.api.nvim_buf_line_count(buffer)
    for _, one in ipairs(kept) do
      local line = one.line
      for number, shown in ipairs(one.note and vim.api.nvim_buf_get_lines(buffer, 0, -1, false) or {}) do
        local note = contents[buffer].notes[shown]
        if note and note.id == one.note.id then line = number + one.below end
      end
      vim.api.nvim_win_set_cursor(one.window, { math.min(line, count), one.column })
    end
  end
end

--- Returns what stands for the content of a note that is too large to be listed.
local function stand_in(entry) return ("(too large to be edited here: %d bytes)"):format(entry.size) end

--- Shows what was read.
local function show(buffer, session, entries, state, older)
  local restore = contents[buffer].is_read and keep_cursors(buffer)
  local rule = rule_for(entries)
  local known = { session = session, notes = {}, order = {}, keys = {}, is_read = true }
  known.new = rule .. " new note " .. rule
  local lines = {}
  if older then
    known.first = ("%s older notes are not shown %s"):format(rule, rule)
    table.insert(lines, known.first)
  end
  for _, entry in ipairs(entries) do
    local line = heading(entry, rule)
    known.notes[line] = { id = entry.id, content = present(entry.content), state = state, entry = entry }
    table.insert(known.order, line)
    table.insert(lines, line)
    vim.list_extend(lines, vim.split(present(entry.content) or stand_in(entry), "\n", { plain = true }))
  end
  if #entries == 0 then lines = { known.new, "" } end
  contents[buffer] = known
  put(buffer, lines)
  highlight(buffer)
  if restore then return restore() end
  for number, line in ipairs(lines) do
    if line == known.order[#known.order] then
      for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
        vim.api.nvim_win_set_cursor(window, { number, 0 })
      end
    end
  end
end

--- Calls `done(session, entries, state, older)` with what a buffer shows, oldest first.
local function fetch(buffer, done, failed)
  local source, session = source_of(buffer), contents[buffer].session
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

--- Reads the notes of a buffer. What its user has changed meanwhile stays.
local function load(buffer)
  if readings[buffer] then
    readings[buffer] = "again"
    return
  end
  readings[buffer] = "running"
  local function ended()
    local again = readings[buffer] == "again"
    readings[buffer] = nil
    if again then load(buffer) end
  end
  fetch(buffer, function(session, entries, state, older)
    if vim.api.nvim_buf_is_loaded(buffer) and contents[buffer] and not vim.bo[buffer].modified then
      show(buffer, session, entries, state, older)
      if session and session_buffer_name(session.name) ~= vim.api.nvim_buf_get_name(buffer) then
        pcall(vim.api.nvim_buf_set_name, buffer, session_buffer_name(session.name))
      end
    end
    ended()
  end, function(message)
    server.fail(message)
    ended()
  end)
end

--- Returns the notes in a buffer as they are now: those that are known by their headings, and the
--- texts of new ones.
local function parse(buffer)
  local known = contents[buffer]
  local found, new, lines = {}, {}, {}
  local heading_above -- nil: a new note, as is what stands before the first heading
  local function finish()
    local body = table.concat(lines, "\n")
    if heading_above then
      found[heading_above] = body
    elseif vim.trim(body) ~= "" then
      table.insert(new, (body:gsub("\n+$", "")))
    end
  end
  for _, line in ipairs(places.lines(buffer, 0, -1)) do
    if known.notes[line] or line == known.new then
      finish()
      -- A copy of a note is a new one.
      heading_above = line ~= known.new and found[line] == nil and line or nil
      lines = {}
    elseif line ~= known.first then
      table.insert(lines, line)
    end
  end
  finish()
  return found, new
end

local function unique_key()
  keys = keys + 1
  return ("neovim %d %d %d"):format(vim.loop.os_getpid(), vim.loop.hrtime(), keys)
end

--- Returns whether the user wants so many notes to be removed.
local function may_remove(found, known)
  local gone = 0
  for _, line in ipairs(known.order) do
    if found[line] == nil and not known.notes[line].is_gone then gone = gone + 1 end
  end
  if gone < 2 then return true end
  return vim.fn.confirm(("tenets: remove %d notes?"):format(gone), "&Yes\n&No", 2) == 1
end

--- Writes a buffer back. `forced`: what others have changed meanwhile is overwritten.
local function write(buffer, forced)
  local known = contents[buffer]
  if not (known and known.is_read) then return server.fail("the notes are not read yet: try again") end
  local found, new = parse(buffer)
  if not (forced or may_remove(found, known)) then return server.fail("nothing was written") end
  local waiting, removed, refused = 0, 0, {}
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
  local function add(content, done)
    local session = known.session or { id = known.notes[known.order[1]].entry.sessionId }
    -- If there is no reply, it may be sent again: it is added once.
    known.keys[content] = known.keys[content] or unique_key()
    local params = { sessionId = session.id, kind = "note", content = content }
    params.identityKey = known.keys[content]
    request("addContext", params, done or function() end, function(message)
      table.insert(refused, "the new note is not written: " .. message)
    end)
  end
  local function refuse(note, message, kind)
    local name = "note " .. note.id
    if kind == "conflict" then
      message = name .. " was changed elsewhere: :w! overwrites it, :e! shows it"
    elseif kind == "contextNotFound" then
      message = name .. " was deleted elsewhere: :w! adds it again, :e! shows what is there"
    else
      message = name .. " is not written: " .. message
    end
    table.insert(refused, message)
  end
  for _, line in ipairs(known.order) do
    local note, content = known.notes[line], found[line]
    local params = { id = note.id, ifState = not forced and note.state or nil }
    local function failed(message, kind)
      if kind == "contextNotFound" and forced then
        return add(content, function() note.is_gone = true end)
      end
      refuse(note, message, kind)
    end
    if note.is_gone then
      -- Removed by an earlier :w.
    elseif content == nil then
      request("removeContext", params, function(result)
        note.is_gone = true
        if result.removed then removed = removed + 1 end
      end, failed)
    elseif note.content == nil then
      if content ~= stand_in(note.entry) then
        table.insert(refused, ("note %d is too large to be edited here"):format(note.id))
      end
    elseif content ~= note.content then
      params.content = content
      request("updateContext", params, function(result)
        note.content, note.state = content, result.state
      end, failed)
    end
  end
  for _, content in ipairs(new) do add(content) end
  local tick = vim.api.nvim_buf_get_changedtick(buffer)
  if not vim.wait(WRITE_WAIT, function() return waiting == 0 end, 2) then
    return server.fail("no reply yet, so the notes may not be written: write them again later")
  end
  if #refused > 0 then return server.fail(table.concat(refused, "\n")) end
  if vim.api.nvim_buf_get_changedtick(buffer) == tick then
    vim.bo[buffer].modified = false
    load(buffer)
  end
  if removed > 0 then
    local back = removed == 1 and ":Tenets undo brings it back" or ":Tenets trash brings them back"
    server.show(("removed %s; %s"):format(text.count(removed, "note"), back))
  end
end

--- Opens the place of the note under the cursor.
local function open_place(buffer)
  local found = heading_at(buffer, vim.api.nvim_win_get_cursor(0)[1])
  if found then places.open(contents[buffer].notes[found].entry) end
end

--- Begins a new note at the end of the buffer of notes that the user is in; returns whether it is one.
function M.begin()
  local buffer = vim.api.nvim_get_current_buf()
  local known = contents[buffer]
  if not (known and known.is_read) then return false end
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
  -- Until it is read there is nothing to be written.
  contents[buffer] = { session = before and before.session, notes = {}, order = {} }
  local bo = vim.bo[buffer]
  bo.buftype, bo.swapfile, bo.bufhidden, bo.modifiable = "acwrite", false, "hide", false
  load(buffer)
  if before then return end
  bo.filetype = "markdown"
  local group = vim.api.nvim_create_augroup("tenets_notes_" .. buffer, { clear = true })
  local function on(event, callback)
    vim.api.nvim_create_autocmd(event, { group = group, buffer = buffer, callback = callback })
  end
  on("BufWriteCmd", function(event)
    if event.match == vim.api.nvim_buf_get_name(buffer) then
      return write(buffer, vim.v.cmdbang == 1)
    end
    -- ":write FILE" makes a copy.
    vim.fn.writefile(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), event.match)
  end)
  on("BufWipeout", function() contents[buffer] = nil end)
  vim.keymap.set("n", "<CR>", function() open_place(buffer) end, {
    buffer = buffer,
    desc = "Open the place of this note",
  })
end

local function open_buffer(name)
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.api.nvim_buf_get_name(vim.api.nvim_win_get_buf(window)) == name then
      return vim.api.nvim_set_current_win(window)
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
  if change.sessionId and known.session and change.sessionId == known.session.id then return true end
  for _, note in pairs(known.notes) do
    if note.id == change.contextId then return true end
  end
  return change.type == "restored"
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
    if is_affected and not vim.bo[buffer].modified then load(buffer) end
  end
end)

return M
