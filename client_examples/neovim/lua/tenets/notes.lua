--- Notes in a buffer: `tenets://session/NAME` has those of a session, `tenets://note/ID` has one.
---
--- Each note has a heading, and its text below it. `:w` writes back what was changed, removes the
--- notes whose heading is gone, and adds what is below a heading for a new note. A heading is known
--- by its whole line, so it may not be edited. Blank lines at the end of a text are not shown, and
--- stay as they are: a blank line is the distance to the next heading.

local places = require("tenets.places")
local server = require("tenets.server")
local text = require("tenets.text")
local ui = require("tenets.ui")

require("tenets.current")

local M = {}

local present = server.present
local MOST = 200 -- notes of a session that are shown, the newest ones
local LARGEST = 8 * 1024 * 1024 -- bytes of notes, about, after which older ones are left out
local highlights = vim.api.nvim_create_namespace("tenets_notes")
-- At the headings of the notes that are being added, to find them again when the reply comes.
local additions = vim.api.nvim_create_namespace("tenets_additions")

-- What each buffer shows:
-- * `session`: the id and name of it; `database`: the file that has it
-- * `rule`: what headings begin and end with; `new`: the heading of a note to be added; `older`: a
--   line that tells of notes that are not shown
-- * `notes`: in their order, see `remember`; `by_heading`: the same ones
-- * `keys`: of the notes that were sent to be added, by their marks
-- * `waiting`: requests of `:w` without a reply; `tick`: the `changedtick` of what it writes
-- * `is_read`: false until there is something that may be written
local views = {}
-- For each buffer that is being read: "running", or "again" if it has to be read once more then.
local readings = {}
-- The notes of all headings that were shown: such a line in another buffer is a note that was moved.
local shown_notes = {}
local last_key = 0

local function lines_of(buffer) return vim.api.nvim_buf_get_lines(buffer, 0, -1, false) end

local function line_of(buffer, number)
  return vim.api.nvim_buf_get_lines(buffer, number - 1, number, false)[1]
end

-- Names of buffers ------------------------------------------------------------------------------

local function session_buffer_name(name)
  local escaped = name:gsub("[%%\n]", function(one) return ("%%%02X"):format(one:byte()) end)
  return "tenets://session/" .. escaped
end

--- Returns what a buffer shows: `session_name`, or `ids`; nil if it has no such name.
local function source_of(buffer)
  local kind, rest = vim.api.nvim_buf_get_name(buffer):match("^tenets://(%a+)/(.+)$")
  if kind == "session" then
    local name = rest:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
    return { session_name = name }
  end
  local id = kind == "note" and tonumber(rest)
  return id and { ids = { id } }
end

-- Notes and headings ----------------------------------------------------------------------------

--- Returns a text without the line feeds at its end, and these.
local function split_tail(content)
  local last = #content
  while content:byte(last) == 10 do last = last - 1 end
  return content:sub(1, last), content:sub(last + 1)
end

--- Returns what a heading says of a note.
local function facts_of(entry)
  local facts = text.joined(
    tostring(entry.id), entry.kind, text.author(entry), text.time(entry.createdAt),
    text.place(entry.location)
  )
  -- The name of a file may have a line feed.
  return (facts:gsub("%c", "?"))
end

--- Adds a note to a view, and returns it.
local function remember(view, entry, state, content)
  local note = { id = entry.id, entry = entry, state = state, facts = facts_of(entry) }
  note.heading = ("%s %s %s"):format(view.rule, note.facts, view.rule)
  if content then
    note.text, note.tail = split_tail(content)
  else
    note.text = ("(too large to be edited here: %d bytes)"):format(entry.size)
    note.is_large = true
  end
  table.insert(view.notes, note)
  view.by_heading[note.heading], shown_notes[note.heading] = note, note
  return note
end

local function forget(view, note)
  view.by_heading[note.heading] = nil
  view.notes = vim.tbl_filter(function(one) return one ~= note end, view.notes)
end

--- Returns a rule with which no line of a note begins as a heading does.
local function rule_for(entries)
  local contents = vim.tbl_map(function(entry) return present(entry.content) or "" end, entries)
  local all = "\n" .. table.concat(contents, "\n")
  local rule = "──"
  while all:find("\n" .. rule .. " ", 1, true) do rule = rule .. "─" end
  return rule
end

--- Whether a line is a heading, and the note that it is of; also where that is of another buffer.
local function heading_of(view, line)
  if line == view.new then return true end
  local is_heading = vim.startswith(line, view.rule .. " ")
  local note = is_heading and (view.by_heading[line] or shown_notes[line]) or nil
  return note ~= nil, note
end

--- Returns the note whose heading is at or above a line, and how many lines that is above it.
local function note_at(buffer, line)
  for number = line, 1, -1 do
    local is_heading, note = heading_of(views[buffer], line_of(buffer, number))
    if is_heading then return note, line - number end
  end
end

-- Showing ---------------------------------------------------------------------------------------

local function highlight(buffer)
  vim.api.nvim_buf_clear_namespace(buffer, highlights, 0, -1)
  for number, line in ipairs(lines_of(buffer)) do
    if heading_of(views[buffer], line) then
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
        local note = views[buffer].by_heading[shown]
        if note and note.id == one.note.id then line = number + one.below end
      end
      vim.api.nvim_win_set_cursor(one.window, { math.min(line, #lines), one.column })
    end
  end
end

--- Shows what was read. The cursor stays on its note; at first it is at the text of the newest one.
local function show(buffer, found)
  local restore = views[buffer].is_read and keep_cursors(buffer)
  local rule = rule_for(found.entries)
  local view = {
    session = found.session,
    database = server.capability.database,
    rule = rule,
    new = ("%s new note %s"):format(rule, rule),
    older = ("%s older notes are not shown %s"):format(rule, rule),
    notes = {},
    by_heading = {},
    keys = {},
    waiting = 0,
    is_read = true,
  }
  local lines = found.has_older and { view.older, "" } or {}
  local last = 1 -- the line of the last heading
  for index, entry in ipairs(found.entries) do
    local note = remember(view, entry, found.state, present(entry.content))
    if index > 1 then table.insert(lines, "") end
    table.insert(lines, note.heading)
    last = #lines
    vim.list_extend(lines, vim.split(note.text, "\n", { plain = true }))
  end
  if #view.notes == 0 then lines = { view.new, "" } end
  views[buffer] = view
  put(buffer, lines)
  highlight(buffer)
  if restore then return restore() end
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    vim.api.nvim_win_set_cursor(window, { last + 1, 0 })
  end
end

-- Reading ---------------------------------------------------------------------------------------

--- Reads what a buffer shows, and calls `done(found)`: its `session`, `entries` (oldest first), the
--- `state` that they have been read in, and whether it `has_older` ones.
local function fetch(source, session, done, failed)
  local entries, state, size = {}, nil, 0
  local function page_of(cursor)
    local params = { order = "newest", limit = MOST, cursor = cursor, ids = source.ids }
    params.sessionId = not source.ids and session.id or nil
    server.request("listContext", params, function(page)
      vim.list_extend(entries, page.entries)
      for _, entry in ipairs(page.entries) do size = size + entry.size end
      state = state or page.state -- of the first page: what changes meanwhile is a conflict
      local rest = present(page.nextCursor)
      if rest and #entries < MOST and size < LARGEST then return page_of(rest) end
      if source.ids then
        local entry = entries[1]
        if not entry then return failed("this note was deleted") end
        session = { id = entry.sessionId, name = present(entry.sessionName) }
      end
      local shown = {}
      for index = math.min(#entries, MOST), 1, -1 do table.insert(shown, entries[index]) end
      local has_older = rest ~= nil or #entries > MOST
      done({ session = session, entries = shown, state = state, has_older = has_older })
    end, failed)
  end
  if source.ids then return page_of(nil) end
  local which = session and { sessionId = session.id } or { name = source.session_name }
  server.request("get", vim.tbl_extend("error", which, { includeMetadata = false }), function(found)
    if not found then
      local name = session and session.name or source.session_name
      return failed(("there is no session named %s (any more)"):format(name))
    end
    session = { id = found.id, name = found.name }
    page_of(nil)
  end, failed)
end

--- Whether a buffer is one of ours, and has no changes of its user.
local function may_be_read(buffer)
  return views[buffer] and vim.api.nvim_buf_is_loaded(buffer) and not vim.bo[buffer].modified
end

--- Reads the notes of a buffer. What its user has changed meanwhile stays.
local function load(buffer)
  if readings[buffer] then
    readings[buffer] = "again"
    return
  end
  readings[buffer] = "running"
  local source = source_of(buffer)
  local function ended()
    local again = readings[buffer] == "again"
    readings[buffer] = nil
    if again and may_be_read(buffer) then load(buffer) end
  end
  fetch(source, views[buffer].session, function(found)
    local function run()
      if may_be_read(buffer) then
        show(buffer, found)
        -- It may have been renamed; where another buffer has that name, this one keeps its own.
        if source.session_name and source.session_name ~= found.session.name then
          pcall(vim.api.nvim_buf_set_name, buffer, session_buffer_name(found.session.name))
        end
      end
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

-- Writing ---------------------------------------------------------------------------------------

--- Returns the notes in a buffer as they are now: the texts and the lines of those that are known, by
--- their headings, and a list of the new ones.
local function parse(buffer)
  local view = views[buffer]
  local found, new = {}, {}
  local block = { lines = {}, line = 1 } -- what stands before the first heading is a new note, too
  local function finish()
    block.text = split_tail(table.concat(block.lines, "\n"))
    if block.heading then
      found[block.heading] = block
    elseif vim.trim(block.text) ~= "" then
      table.insert(new, block)
    end
  end
  for number, line in ipairs(places.lines(buffer, 0, -1)) do
    local is_heading, note = heading_of(view, line)
    if is_heading then
      finish()
      -- A copy of a note is a new one, and so is one of another session.
      local is_first = view.by_heading[line] and not found[line]
      block = { lines = {}, line = number, heading = is_first and line or nil, of = note }
    elseif line ~= view.older then
      table.insert(block.lines, line)
    end
  end
  finish()
  return found, new
end

--- Returns the first line that has what a heading that is missing has said.
local function damaged_heading(buffer, missing)
  for number, line in ipairs(lines_of(buffer)) do
    for _, note in ipairs(missing) do
      if line:find(note.facts, 1, true) and not views[buffer].by_heading[line] then return number end
    end
  end
end

--- Returns whether the user wants so many notes to be removed.
local function may_remove(view, missing)
  if #missing < 2 then return true end
  local question = ("tenets: remove %d notes from %s?"):format(#missing, view.session.name)
  return vim.fn.confirm(question, "&Yes\n&No", 2) == 1
end

--- Returns the mark of a note that is to be added, which has its key: that which it has if it was sent.
local function mark_of(buffer, block)
  local keys, row = views[buffer].keys, block.line - 1
  local at = vim.api.nvim_buf_get_extmarks(buffer, additions, { row, 0 }, { row, -1 }, {})[1]
  local mark = at and at[1] or vim.api.nvim_buf_set_extmark(buffer, additions, row, 0, {})
  if not keys[mark] then
    last_key = last_key + 1
    keys[mark] = ("neovim %d %d %d"):format(vim.loop.os_getpid(), vim.loop.hrtime(), last_key)
  end
  return mark
end

--- Gives a note that was added its heading, wherever it is by now.
local function set_heading(buffer, mark, entry, content)
  local view = views[buffer]
  local row = vim.api.nvim_buf_get_extmark_by_id(buffer, additions, mark, {})[1]
  if not row or not view.keys[mark] then return end
  view.keys[mark] = nil
  vim.api.nvim_buf_del_extmark(buffer, additions, mark)
  local note = remember(view, entry, entry.state, content)
  local past = heading_of(view, line_of(buffer, row + 1)) and row + 1 or row
  -- This is no change of the user.
  local is_written = vim.api.nvim_buf_get_changedtick(buffer) == view.tick
  vim.api.nvim_buf_set_lines(buffer, row, past, false, { note.heading })
  if is_written then view.tick = vim.api.nvim_buf_get_changedtick(buffer) end
  highlight(buffer)
end

--- Sends what differs from what was read. `forced`: what others have changed meanwhile is
--- overwritten. Calls `done(problems, removed)` after the last reply.
local function send(buffer, found, new, forced, done)
  local view = views[buffer]
  local problems, removed = {}, 0
  local function problem(sentence, ...) table.insert(problems, sentence:format(...)) end
  local function request(verb, params, succeeded, failed)
    view.waiting = view.waiting + 1
    local function ended()
      view.waiting = view.waiting - 1
      if view.waiting == 0 then done(problems, removed) end
    end
    server.request(verb, params, function(result)
      succeeded(result)
      ended()
    end, function(message, kind)
      failed(message, kind)
      ended()
    end)
  end

  local function add(block)
    local entry = block.of and block.of.entry or {}
    local content = block.text .. (block.of and block.of.tail or "")
    local mark = mark_of(buffer, block)
    request("addContext", {
      sessionId = view.session.id,
      kind = entry.kind or "note",
      location = entry.location,
      content = content,
      -- If there is no reply, it may be sent again, changed or not: it is added once.
      identityKey = view.keys[mark],
      replace = true,
    }, function(result)
      if views[buffer] == view and vim.api.nvim_buf_is_loaded(buffer) then
        set_heading(buffer, mark, result, content)
      end
    end, function(message) problem("a new note is not written: %s", message) end)
  end

  local function remove(note)
    local params = { id = note.id, ifState = not forced and note.state or nil }
    request("removeContext", params, function()
      removed = removed + 1
      forget(view, note)
    end, function(message, kind)
      if kind == "contextNotFound" then return forget(view, note) end
      if kind == "conflict" then message = "it was changed elsewhere: :w! removes it, :e! shows it" end
      problem("note %d: %s", note.id, message)
    end)
  end

  local function update(note, block)
    local content = block.text .. note.tail
    local function written(result)
      note.text, note.tail = split_tail(content)
      note.state = result.state
    end
    local function conflict()
      problem("note %d was changed elsewhere: :w! overwrites it, :e! shows it", note.id)
    end
    local params = { id = note.id, content = content, ifState = not forced and note.state or nil }
    request("updateContext", params, written, function(message, kind)
      if kind == "conflict" then
        -- It may be what an earlier ":w" has written, whose reply was lost.
        request("getContext", { id = note.id }, function(now)
          if now and now.content == content then written(now) else conflict() end
        end, conflict)
      elseif kind == "contextNotFound" and forced then
        forget(view, note) -- so that its heading is that of a note to be added
        if line_of(buffer, block.line) == note.heading then add(block) end
      elseif kind == "contextNotFound" then
        problem("note %d was deleted elsewhere: :w! adds it again, :e! shows what is there", note.id)
      else
        problem("note %d: %s", note.id, message)
      end
    end)
  end

  view.waiting = 1 -- so that it is not done before all is sent
  for _, note in ipairs(view.notes) do
    local block = found[note.heading]
    if not block then
      remove(note)
    elseif block.text ~= note.text then
      if note.is_large then
        problem("note %d is too large to be edited here", note.id)
      else
        update(note, block)
      end
    end
  end
  for _, block in ipairs(new) do add(block) end
  view.waiting = view.waiting - 1
  if view.waiting == 0 then done(problems, removed) end
end

--- Writes a buffer back.
local function write(buffer, forced)
  local view = views[buffer]
  if not (view and view.is_read) then return server.fail("the notes are not read yet: try again") end
  if view.database ~= server.capability.database then
    return server.fail("nothing was written: the server does not have the database of these notes")
  end
  if view.waiting > 0 then
    return server.fail("the last :w waits for its replies; :qa! leaves anyway")
  end
  local found, new = parse(buffer)
  local missing = vim.tbl_filter(function(note) return not found[note.heading] end, view.notes)
  local damaged = not forced and damaged_heading(buffer, missing)
  if damaged then
    return server.fail(("line %d was the heading of a note: undo its change"):format(damaged))
  end
  if not (forced or may_remove(view, missing)) then return server.fail("nothing was written") end
  view.tick = vim.api.nvim_buf_get_changedtick(buffer)
  local is_late = false
  send(buffer, found, new, forced, function(problems, removed)
    if removed > 0 then
      local back = removed == 1 and ":Tenets undo brings it back" or ":Tenets trash brings them back"
      server.show(("removed %s; %s"):format(text.count(removed, "note"), back))
    end
    if #problems > 0 then return server.fail(table.concat(problems, "\n")) end
    if is_late then server.show("the notes are written") end
    if views[buffer] ~= view or not vim.api.nvim_buf_is_loaded(buffer) then return end
    if vim.api.nvim_buf_get_changedtick(buffer) == view.tick then
      vim.bo[buffer].modified = false
      load(buffer) -- what others have changed meanwhile
    end
  end)
  if not server.wait(function() return view.waiting == 0 end) then
    is_late = true
    server.fail("no reply yet: notes may not be written; :qa! leaves anyway")
  end
end

--- Writes the lines of a buffer into a file, as ":write FILE" does.
local function write_copy(buffer, file, forced)
  if vim.fn.filereadable(file) == 1 and not forced then
    local name = vim.fn.fnamemodify(file, ":~:.")
    return server.fail(("%s exists (add ! to overwrite it)"):format(name))
  end
  local ok, problem = pcall(vim.fn.writefile, lines_of(buffer), file)
  if not ok then server.fail((tostring(problem):gsub("^.-:(E%d+)", "%1"))) end
end

-- Opening ---------------------------------------------------------------------------------------

--- Begins a new note at the end of the buffer of notes that the user is in; returns whether it is one.
function M.begin()
  local buffer = vim.api.nvim_get_current_buf()
  local view = views[buffer]
  if not (view and view.is_read and vim.bo[buffer].modifiable) then return false end
  local count = vim.api.nvim_buf_line_count(buffer)
  local lines = line_of(buffer, count) == "" and { view.new, "" } or { "", view.new, "" }
  vim.api.nvim_buf_set_lines(buffer, -1, -1, false, lines)
  vim.api.nvim_win_set_cursor(0, { count + #lines, 0 })
  highlight(buffer)
  vim.cmd("startinsert")
  return true
end

--- Fills a buffer whose name begins with "tenets://".
function M.read(buffer)
  if not source_of(buffer) then
    return server.fail("expected tenets://session/NAME or tenets://note/ID")
  end
  local before = views[buffer]
  -- In another database a session of that name has another id.
  local is_same = before and before.database == server.capability.database
  -- Until it is read there is nothing to be written.
  views[buffer] = { session = is_same and before.session or nil, notes = {} }
  local bo = vim.bo[buffer]
  bo.buftype, bo.swapfile, bo.bufhidden, bo.modifiable = "acwrite", false, "hide", false
  bo.filetype = "markdown"
  local group = vim.api.nvim_create_augroup("tenets_notes_" .. buffer, { clear = true })
  local function on(event, callback)
    vim.api.nvim_create_autocmd(event, { group = group, buffer = buffer, callback = callback })
  end
  on("BufWriteCmd", function(event)
    local is_copy = event.match ~= vim.api.nvim_buf_get_name(buffer)
    if is_copy then return write_copy(buffer, event.match, vim.v.cmdbang == 1) end
    write(buffer, vim.v.cmdbang == 1)
  end)
  on("BufFilePost", function()
    if source_of(buffer) then return end
    -- By ":saveas" or ":file" it is an ordinary file now.
    views[buffer], bo.buftype = nil, ""
    vim.api.nvim_del_augroup_by_id(group)
    vim.keymap.del("n", "<CR>", { buffer = buffer })
  end)
  vim.keymap.set("n", "<CR>", function()
    local note = views[buffer].is_read and note_at(buffer, vim.api.nvim_win_get_cursor(0)[1])
    if note then places.open(note.entry) end
  end, { buffer = buffer, desc = "Open the place of this note" })
  load(buffer)
end

local function open_buffer(name)
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    local buffer = vim.api.nvim_win_get_buf(window)
    if vim.api.nvim_buf_get_name(buffer) == name then
      vim.api.nvim_set_current_win(window)
      if not views[buffer] then M.read(buffer) end
      return
    end
  end
  vim.cmd("split " .. vim.fn.fnameescape(name))
end

--- Opens the notes of a session.
function M.open_session(name) open_buffer(session_buffer_name(name)) end

--- Opens one note.
function M.open_note(id) open_buffer("tenets://note/" .. id) end

-- Following others ------------------------------------------------------------------------------

--- Whether a change may be one of what a buffer shows.
local function concerns(view, change)
  if change.type == "restored" then return true end
  local is_of_session = view.session and change.sessionId == view.session.id
  if is_of_session and change.type ~= "activated" and change.type ~= "deactivated" then return true end
  for _, note in ipairs(view.notes) do
    if note.id == change.contextId then return true end
  end
  return false
end

-- Buffers without changes of their own follow those of others.
server.listen(function(what, value)
  for buffer, view in pairs(views) do
    local is_affected = what == "state" and value == "running"
    if is_affected and view.database ~= server.capability.database then view.session = nil end
    if what == "change" then
      is_affected = value.incomplete
      for _, change in ipairs(present(value.changes) or {}) do
        is_affected = is_affected or concerns(view, change)
      end
    end
    if not vim.api.nvim_buf_is_valid(buffer) then
      views[buffer] = nil
    elseif is_affected and may_be_read(buffer) then
      load(buffer)
    end
  end
end)

return M
