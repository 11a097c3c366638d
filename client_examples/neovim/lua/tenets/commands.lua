--- `:Tenets` and `:TenetsAdd`.

local changes = require("tenets.changes")
local current = require("tenets.current")
local notes = require("tenets.notes")
local places = require("tenets.places")
local server = require("tenets.server")
local text = require("tenets.text")
local ui = require("tenets.ui")

local M = {}

local present = server.present
local LISTED = 100 -- sessions to choose from, those that were changed last
local PAGE_SIZE, LONGEST_LIST = 1000, 2000 -- of `:Tenets list`; a longer one is of no use to a reader
local HITS = 50 -- of a search
-- Milliseconds for which the editor waits in completion at most.
local COMPLETION_WAIT = 300

local known_names = {} -- for completion

local NONE = "no session is current; use :Tenets switch NAME"

--- Calls `done(session, binding)` with the current session as it is now, as another editor may have
--- switched just now.
local function with_current(done, none)
  current.ask(function(session, binding)
    if session then return done(session, binding) end
    if none then none() else server.fail(NONE) end
  end)
end

--- Calls `done(session)` with the session of a name, which has no id then, or with the current one.
local function with_session(name, done)
  if name == "" then return with_current(done) end
  done({ name = name })
end

--- Returns the params that name a session.
local function which(session, more)
  local params = { sessionId = session.id, name = not session.id and session.name or nil }
  return vim.tbl_extend("error", params, more or {})
end

--- Says so where the working folder does not follow the active session.
local function say_if_bound()
  current.ask(function(session, binding)
    if not binding then return end
    server.show(("this folder is bound to %s, and goes on showing it"):format(session.name))
  end, server.ignore)
end

local function session_line(session)
  local facts = text.joined(
    session.name == current.name() and "current" or nil,
    session.active and "active" or nil,
    text.count(session.contextCount, "note"),
    text.age(session.createdAt)
  )
  return ("%s (%s)"):format(session.name, facts)
end

--- Lets the user choose a session, and calls `chosen(session)`.
local function choose_session(prompt, chosen)
  local params = { order = "recent", limit = LISTED, includeContextCount = true, includeMetadata = false }
  server.request("list", params, function(page)
    if #page.sessions == 0 then return server.show("there are no sessions") end
    ui.choose(page.sessions, prompt, session_line, chosen)
  end)
end

local function activate(session)
  server.request("setActive", which(session), function(found)
    server.show("switched to " .. found.name)
    say_if_bound()
  end)
end

local function say_current()
  with_current(function(session, binding)
    local why = binding and "bound to " .. text.place({ uri = binding }) or "active in every editor"
    server.show(("%s (%s)"):format(session.name, why))
  end, function() server.show("no session is active") end)
end

local function switch(name)
  if name == "" then return choose_session("Switch to: ", activate) end
  activate({ name = name })
end

local function create(name)
  if name == "" then return ui.ask("New session: ", nil, create) end
  server.request("create", { name = name, active = true, metadata = vim.empty_dict() }, function(found)
    server.show("created and activated " .. found.name)
    say_if_bound()
  end)
end

local function exit(name)
  local params = { name = name ~= "" and name or nil }
  server.request("exit", params, function(session)
    server.show("left " .. session.name)
    say_if_bound()
  end, function(message, kind)
    if kind == "sessionNotFound" and name == "" then return server.show("no session is active") end
    server.fail(message)
  end)
end

--- Adds an entry to a session; `what` names it in the message.
local function add(session, params, what)
  params.sessionId, params.sessionName = session.id, not session.id and session.name or nil
  server.request("addContext", params, function(entry)
    local to = entry.sessionCreated and "the new session " or ""
    server.show(("added %s to %s%s"):format(what, to, entry.sessionName))
  end, function(message) server.fail(("%s was not added: %s"):format(what, message)) end)
end

--- Returns how lines are named in a message, which should fit into one line.
local function lines_named(buffer, first, last)
  local file = vim.api.nvim_buf_get_name(buffer)
  local name = file == "" and "[No Name]" or vim.fn.fnamemodify(file, ":.")
  return ("%s:%d-%d"):format(name, first, last)
end

--- Adds a note. With a range it is about those lines.
local function note(content, range)
  local buffer = vim.api.nvim_get_current_buf()
  if content == "" and not range and notes.begin() then return end
  -- Read the lines now: when the reply arrives, the buffer or its text may have changed.
  local location = range and places.location(buffer, range[1], range[2])
  local quoted = range and not location and places.lines(buffer, range[1] - 1, range[2])
  local what = range and "a note at " .. lines_named(buffer, range[1], range[2]) or "the note"
  with_current(function(session)
    local function send(given)
      -- Nobody finds the lines of a buffer that is in no file: they are in the note.
      local whole = quoted and given .. "\n\n" .. table.concat(quoted, "\n") or given
      add(session, { kind = "note", content = whole, location = location }, what)
    end
    if content ~= "" then return send(content) end
    ui.ask(("Note for %s: "):format(session.name), nil, send)
  end, function() server.fail("nothing added: " .. NONE) end)
end

local function show_notes(name)
  with_session(name, function(session)
    ui.when_idle(function() notes.open_session(session.name) end)
  end)
end

local function hit_line(hit)
  local entry, name = present(hit.entry), present(hit.session.name) or "a deleted session"
  return entry and text.joined(name, entry.kind, hit.snippet) or name
end

local function search(words)
  if words == "" then return ui.ask("Search notes: ", nil, search) end
  server.request("search", { query = words, limit = HITS }, function(found)
    if #found.hits == 0 then return server.show("nothing found") end
    local prompt = found.isIncomplete and "The best of many: " or "Found: "
    ui.choose(found.hits, prompt, hit_line, function(hit)
      local entry = present(hit.entry)
      if entry then return notes.open_note(entry.id) end
      activate(hit.session)
    end)
  end)
end

--- Tells what a folder shows.
local function say_binding(found)
  local session, folder = present(found.session), text.place({ uri = found.folder })
  local shown = session and session.name or "no session"
  local always = present(found.binding) and ", whatever is active" or ""
  server.show(("%s shows %s%s"):format(folder, shown, always))
  current.ask(nil, server.ignore)
end

local function bind(name)
  local function to(session)
    server.request("bind", which(session, { folder = server.folder() }), say_binding)
  end
  if name == "" then return choose_session("Bind this folder to: ", to) end
  -- A binding may be to a name that no session has yet, but here that is a mistake.
  server.request("get", { name = name, includeMetadata = false }, function(session)
    if session then return to(session) end
    server.fail(("there is no session named %s"):format(name))
  end)
end

local function unbind()
  local function remove(folder) server.request("bind", { folder = folder }, say_binding) end
  current.ask(function(_, binding)
    if binding then return remove(binding) end
    -- A binding to a session that is gone sleeps.
    server.request("listBindings", {}, function(page)
      for _, one in ipairs(page.bindings) do
        if text.file(one.folder) == text.file(server.folder()) then return remove(one.folder) end
      end
      server.show("this folder is not bound to a session")
    end)
  end)
end

--- Gives the current session another name, or makes a copy of it.
local function with_new_name(verb, prompt, done)
  return function(name)
    with_current(function(session)
      local function send(new)
        server.request(verb, { sessionId = session.id, newName = new }, function(found)
          server.show(done:format(session.name, found.name))
        end)
      end
      if name ~= "" then return send(name) end
      ui.ask(prompt:format(session.name), session.name, send)
    end)
  end
end

local function delete(name)
  with_session(name, function(session)
    server.request("delete", which(session), function(result)
      local sentence = "deleted %s; :Tenets undo brings it back"
      if not result.deleted then sentence = "there is no session named %s" end
      server.show(sentence:format(session.name))
    end)
  end)
end

local function item_line(item)
  local names = table.concat(item.names, ", ")
  local what = item.type == "sessions" and text.count(item.sessions, "session")
    or text.count(item.entries, "note") .. " of"
  local facts = text.joined(text.age(item.deletedAt), text.author(item))
  return ("%s %s (%s)"):format(what, names, facts)
end

--- Brings back an item of the trash, under another name if one is given.
local function restore(item, new_name)
  server.request("restore", { id = item.id, newName = new_name }, function(restored)
    local name = new_name or table.concat(item.names, ", ")
    server.show(("restored %s, notes: %d"):format(name, restored.entries))
  end, function(message, kind)
    if kind ~= "sessionExists" or item.sessions ~= 1 then return server.fail(message) end
    local taken = new_name or item.names[1]
    local prompt = ("%s is taken; bring it back as: "):format(taken)
    ui.ask(prompt, taken, function(name) restore(item, name) end)
  end)
end

local function with_trash(limit, done)
  server.request("listTrash", { limit = limit }, function(page)
    if #page.items == 0 then return server.show("the trash is empty") end
    done(page.items)
  end)
end

local function undo()
  with_trash(1, function(items) restore(items[1]) end)
end

local function trash()
  with_trash(LISTED, function(items) ui.choose(items, "Bring back: ", item_line, restore) end)
end

local function export(name)
  with_session(name, function(session)
    local params = { names = { session.name }, format = "markdown" }
    server.request("export", params, function(found)
      ui.when_idle(function()
        vim.cmd("new")
        local lines = vim.split(found.content, "\n", { plain = true, trimempty = true })
        vim.api.nvim_buf_set_lines(0, 0, -1, false, lines)
        vim.bo.filetype = "markdown"
        vim.bo.modified = false
      end)
    end)
  end)
end

local function list()
  local lines = {}
  local function fetch(cursor)
    local params = { limit = PAGE_SIZE, cursor = cursor, includeMetadata = false }
    server.request("list", params, function(page)
      for _, session in ipairs(page.sessions) do
        table.insert(lines, (session.active and "* " or "  ") .. session.name)
      end
      local rest = present(page.nextCursor)
      if rest and #lines < LONGEST_LIST then return fetch(rest) end
      if rest then table.insert(lines, "  ... and older ones") end
      if #lines == 0 then lines = { "tenets: there are no sessions" } end
      vim.api.nvim_echo({ { table.concat(lines, "\n") } }, true, {})
    end)
  end
  fetch(nil)
end

-- What `run` calls with the argument and the range. `names`: the argument is the name of a session.
local VERBS = {
  bind = { run = bind, names = true },
  changes = { run = changes.show },
  copy = { run = with_new_name("copy", "Copy of %s: ", "copied %s to %s") },
  create = { run = create },
  delete = { run = delete, names = true },
  exit = { run = exit, names = true },
  export = { run = export, names = true },
  file = { run = function() places.list(vim.api.nvim_get_current_buf()) end },
  list = { run = list },
  note = { run = note },
  notes = { run = show_notes, names = true },
  rename = { run = with_new_name("rename", "New name of %s: ", "renamed %s to %s") },
  search = { run = search },
  switch = { run = switch, names = true },
  trash = { run = trash },
  unbind = { run = unbind },
  undo = { run = undo },
}
local NAMES = vim.tbl_keys(VERBS)
table.sort(NAMES)

--- Runs `:Tenets`.
function M.run(options)
  -- The argument is everything after the verb: it may have spaces, bars and quotes.
  local verb, argument = options.args:match("^%s*(%S*)%s*(.-)%s*$")
  if verb == "" then return say_current() end
  if not VERBS[verb] then
    local known = table.concat(NAMES, ", ")
    return server.fail(("no such subcommand: %s; expected one of %s"):format(verb, known))
  end
  VERBS[verb].run(argument, options.range > 0 and { options.line1, options.line2 } or nil)
end

--- Runs `:TenetsAdd`: adds lines to the session that is named, or to the current one.
function M.add(options)
  local buffer = vim.api.nvim_get_current_buf()
  local first, last = options.line1, options.line2
  local location = places.location(buffer, first, last)
  local named = lines_named(buffer, first, last)
  -- Read the lines now: when the reply arrives, the buffer or its text may have changed.
  local lines = places.lines(buffer, first - 1, last)
  if not location then table.insert(lines, 1, named) end
  local params = { kind = "code", content = table.concat(lines, "\n"), location = location }
  local name = vim.trim(options.args)
  if name ~= "" then return add({ name = name }, params, named) end
  with_current(function(session) add(session, params, named) end, function()
    server.fail("nothing added: no session is current; use :Tenets switch NAME or :TenetsAdd NAME")
  end)
end

--- Completes both commands. Neovim replaces only `lead`, the last word. So for a name with spaces
--- this returns the part from that word on.
function M.complete(lead, line, position)
  local command, typed = line:sub(1, position):match("(Tenets%a*)%s+(.*)$")
  if command ~= "TenetsAdd" then
    local verb, name = (typed or ""):match("^(%S+)%s+(.*)$")
    if not verb then
      return vim.tbl_filter(function(each) return vim.startswith(each, lead) end, NAMES)
    end
    typed = VERBS[verb] and VERBS[verb].names and name or nil
  end
  if not typed then return {} end
  if server.state ~= "lost" then
    local fresh = false
    local params = { limit = LISTED, includeMetadata = false, namePrefix = typed }
    server.request("list", params, function(page)
      known_names = vim.tbl_map(function(session) return session.name end, page.sessions)
      fresh = true
    end, server.ignore)
    server.wait(function() return fresh end, COMPLETION_WAIT)
  end
  local found = {}
  for _, name in ipairs(known_names) do
    if vim.startswith(name, typed) then table.insert(found, name:sub(#typed - #lead + 1)) end
  end
  return found
end

return M
