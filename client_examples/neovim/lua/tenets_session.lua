--- Work sessions shared by every editor on the machine, through tenets-session-server.
---
--- `require("tenets_session").setup{}` starts the server and defines `:TenetsSession` and
--- `:TenetsAdd`; `statusline()` names the active session. For Neovim 0.7.2 and newer. Replies
--- arrive in callbacks, so a slow disk does not freeze the editor.

local M = {}

-- 0.11 deprecates start_client() and calling a client's methods with a dot; 0.7 has nothing else.
local HAS_0_11 = vim.fn.has("nvim-0.11") == 1
local SUBCOMMANDS = { "create", "delete", "exit", "list", "search", "switch", "undo" }
local PAGE_SIZE, MAX_PAGES = 100, 20 -- of a list; a longer one is of no use to a reader
-- Milliseconds for which the editor waits at most: in completion, and in :qa after a command.
local COMPLETION_WAIT, EXIT_WAIT = 300, 5000
-- Milliseconds until a server that has ended is started again: doubled after each attempt that fails.
local FIRST_RETRY, LAST_RETRY = 500, 60000

local MISSING = "%s is not installed, or not on the PATH; set its path: "
  .. 'require("tenets_session").setup{ cmd = { "/path/to/tenets-session-server" } }'

local config = {}
-- The server that is running. `client` is nil until the handshake is done; requests before that are
-- in `queue`. `pending` is the set of all requests without a reply, `queue` included.
local server = nil
local active = nil -- name of the active session, nil if there is none or it is not known
local revision = -1 -- of the newest didChange
local lost = false -- whether there was a server, and there is none now
local retry = FIRST_RETRY -- milliseconds until the next attempt
local start -- a function, below
local known_names = {} -- for completion
local scheduled_messages = 0 -- messages that are scheduled but not shown yet
local is_exiting = false -- true while :qa waits for replies

--- Shows a message, later: in a command that Lua runs, an error message becomes an exception. For
--- the same reason :qa, which Lua may run, shows errors as warnings.
local function show(message, level)
  scheduled_messages = scheduled_messages + 1
  vim.schedule(function()
    scheduled_messages = scheduled_messages - 1
    if is_exiting and level then level = vim.log.levels.WARN end
    vim.notify("tenets: " .. message, level or vim.log.levels.INFO)
  end)
end

local function fail(message) show(message, vim.log.levels.ERROR) end

-- For requests that no command made. If they fail, the next command reports the problem.
local function ignore() end

--- Returns nil for JSON's null, which Neovim decodes as nil or vim.NIL.
local function present(value) return value ~= vim.NIL and value or nil end

--- Stores the active session, or nil, and redraws the status line if it has changed.
local function set_active(session)
  local name = session and session.name or nil
  if name == active then return end
  active = name
  vim.cmd("redrawstatus!")
  if config.on_change then
    local ok, problem = pcall(config.on_change, name)
    if not ok then fail("on_change: " .. tostring(problem)) end
  end
end

local function did_change(params)
  if type(params.revision) == "number" and params.revision > revision then
    revision = params.revision
    set_active(present(params.active))
  end
end

local function submit(target, entry)
  target.pending[entry] = true
  if not target.client then return table.insert(target.queue, entry) end
  local function answered(err, result)
    if not target.pending[entry] then return end -- already reported as lost
    target.pending[entry] = nil
    if err then return entry.failed(tostring(err.message)) end
    entry.done(present(result))
  end
  -- If this cannot be sent, the server has ended: on_exit is called soon, and reports it.
  local client, method = target.client, "tenets/session." .. entry.verb
  if HAS_0_11 then
    client:request(method, entry.params, answered)
  else
    client.request(method, entry.params, answered)
  end
end

local function on_init(target, client, result)
  target.client = client
  retry = FIRST_RETRY
  if lost then
    lost = false
    vim.cmd("redrawstatus!")
  end
  local capability = (result.capabilities.experimental or {}).tenetsSession or {}
  -- Revisions belong to a database file, and the file may have changed.
  revision = capability.revision or -1
  for _, warning in ipairs(capability.warnings or {}) do show(warning, vim.log.levels.WARN) end
  for _, entry in ipairs(target.queue) do submit(target, entry) end
end

--- Starts the server again in a while, unless a command does that before.
local function start_later()
  vim.defer_fn(function()
    if not server and vim.v.exiting == vim.NIL then start(true) end
  end, retry)
  retry = math.min(retry * 2, LAST_RETRY)
end

--- Reports that the server has ended, and each request without a reply: Neovim does not.
local function on_exit(target, code, signal)
  server = nil
  set_active(nil) -- there are no notifications any more
  if vim.v.exiting == vim.NIL then -- otherwise it is expected
    local again = target.client or lost -- else it has never worked
    if not lost then
      local reason = signal ~= 0 and "signal " .. signal or "exit status " .. code
      local what = again and "it is started again" or "the next command starts it again"
      fail(("the server has ended (%s); %s"):format(reason, what))
    end
    if again then
      lost = true
      vim.cmd("redrawstatus!")
      start_later()
    end
  end
  local fate = target.client and "may or may not have been" or "was not"
  local lost = target.pending
  target.pending = {}
  for entry in pairs(lost) do
    entry.failed(("no reply, because the server ended; %s %s executed"):format(entry.verb, fate))
  end
end

--- Starts a server and returns it. If that fails, shows the reason and returns nil. With `again`
--- nobody waits for it: then it says nothing, and is tried once more.
function start(again)
  local function failed(message)
    if again then return start_later() end
    fail(message)
  end
  if vim.fn.executable(config.cmd[1]) == 0 then return failed(MISSING:format(config.cmd[1])) end
  local target = { queue = {}, pending = {} }
  local options = {
    name = "tenets",
    cmd = config.cmd,
    handlers = { ["tenets/session.didChange"] = function(_, params) did_change(params) end },
    on_init = function(client, result) on_init(target, client, result) end,
    -- Scheduled, because Neovim calls it where most of its API is forbidden.
    on_exit = vim.schedule_wrap(function(code, signal) on_exit(target, code, signal) end),
  }
  local id
  if HAS_0_11 then
    -- No buffer is attached, because the server does not use text. No client is reused, because
    -- it may be about to end.
    local never = function() return false end
    id = vim.lsp.start(options, { attach = false, reuse_client = never, silent = true })
  else
    id = vim.lsp.start_client(options)
  end
  if not id then return failed("could not start " .. table.concat(config.cmd, " ")) end
  server = target
  local nothing = vim.empty_dict() -- {} would be sent as an array
  submit(target, { verb = "getActive", params = nothing, done = set_active, failed = ignore })
  return target
end

--- Sends a request; starts the server if necessary. In the end it calls `done(result)` or
--- `failed(message)`. The default `failed` shows the message.
local function request(verb, params, done, failed)
  failed = failed or fail
  -- Invalid UTF-8 is invalid JSON, and the server could not find the id of the request.
  if not pcall(vim.fn.json_encode, params) then
    return failed(verb .. " was not sent: the text is not valid UTF-8")
  end
  local entry = { verb = verb, params = params, done = done, failed = failed }
  local target = server or start()
  if target then submit(target, entry) end
end

--- Calls `done(sessions, rest)`. `rest` is not nil if there are more sessions.
local function list_sessions(done, failed)
  local sessions, pages = {}, 0
  local function fetch(cursor)
    request("list", { limit = PAGE_SIZE, cursor = cursor }, function(page)
      vim.list_extend(sessions, page.sessions)
      pages = pages + 1
      local rest = present(page.nextCursor)
      if rest and pages < MAX_PAGES then return fetch(rest) end
      known_names = vim.tbl_map(function(session) return session.name end, sessions)
      done(sessions, rest)
    end, failed)
  end
  fetch(nil)
end

--- Asks the server for the active session, as another editor may have switched just now. Calls
--- `done(name)` or `none()`.
local function with_active(done, none)
  request("getActive", vim.empty_dict(), function(session)
    set_active(session)
    if session then done(session.name) else none() end
  end)
end

--- Sends a request that changes a session and returns it; shows the message with its name.
local function change(verb, params, message)
  request(verb, params, function(session)
    if session.active or session.name == active then set_active(session.active and session) end
    show(message:format(session.name))
  end)
end

local function show_list(sessions, rest)
  local current, lines = nil, #sessions == 0 and { "tenets: there are no sessions" } or {}
  for _, session in ipairs(sessions) do
    table.insert(lines, (session.active and "* " or "  ") .. session.name)
    if session.active then current = session end
  end
  if current or not rest then set_active(current) end
  if rest then table.insert(lines, "  ... and older ones") end
  vim.api.nvim_echo({ { table.concat(lines, "\n") } }, true, {})
end

local function show_hits(found)
  local lines = #found.hits == 0 and { "tenets: nothing found" } or {}
  for _, hit in ipairs(found.hits) do
    local entry, name = present(hit.entry), present(hit.session.name) or "a deleted session"
    table.insert(lines, entry and ("%s: %s: %s"):format(name, entry.kind, hit.snippet) or name)
  end
  if found.isIncomplete then table.insert(lines, "... and perhaps more") end
  vim.api.nvim_echo({ { table.concat(lines, "\n") } }, true, {})
end

--- Deletes a session; `undo` brings back what was deleted last, in any editor.
local function delete(name)
  request("delete", { name = name }, function(result)
    local found = "deleted %s; :TenetsSession undo brings it back"
    show((result.deleted and found or "there is no session named %s"):format(name))
  end)
end

local function undo()
  request("listTrash", { limit = 1 }, function(page)
    local item = page.items[1]
    if not item then return show("the trash is empty") end
    request("restore", { id = item.id }, function(restored)
      show(("restored %s, notes: %d"):format(table.concat(item.names, ", "), restored.entries))
    end)
  end)
end

local function session_command(options)
  -- The name is everything after the subcommand: it may have spaces, bars and quotes.
  local verb, name = options.args:match("^%s*(%S*)%s*(.-)%s*$")
  local function leave(which) change("setActive", { name = which, active = false }, "left %s") end
  local function none() show("no session is active") end
  if verb == "" then
    with_active(function(found) show("the active session is " .. found) end, none)
  elseif not vim.tbl_contains(SUBCOMMANDS, verb) then
    local known = table.concat(SUBCOMMANDS, ", ")
    fail(("no such subcommand: %s; expected one of %s"):format(verb, known))
  elseif verb == "list" then
    list_sessions(show_list)
  elseif verb == "undo" then
    undo()
  elseif verb == "exit" and name == "" then
    with_active(leave, none)
  elseif name == "" then
    local what = verb == "search" and "words to look for" or "the name of a session"
    fail((":TenetsSession %s needs %s"):format(verb, what))
  elseif verb == "search" then
    request("search", { query = name, limit = 20 }, show_hits)
  elseif verb == "delete" then
    delete(name)
  elseif verb == "exit" then
    leave(name)
  elseif verb == "create" then
    change("create", { name = name, active = true }, "created and activated %s")
  else
    change("setActive", { name = name }, "switched to %s")
  end
end

local function add_command(options)
  local first, last = options.line1, options.line2
  local file = vim.api.nvim_buf_get_name(0) -- absolute: the note is read elsewhere, too
  local range = (":%d-%d"):format(first, last)
  local place = (file == "" and "[No Name]" or file) .. range
  -- A long message would make the user press a key.
  local short = (file == "" and "[No Name]" or vim.fn.fnamemodify(file, ":.")) .. range
  -- Read the lines now: when the reply arrives, the buffer or its text may have changed.
  local lines = { place }
  for _, line in ipairs(vim.api.nvim_buf_get_lines(0, first - 1, last, false)) do
    -- Neovim stores a NUL byte as a line feed. (The parentheses drop gsub's second result.)
    table.insert(lines, (line:gsub("\n", "\0")))
  end
  local function add(name)
    local params = { sessionName = name, kind = "code", content = table.concat(lines, "\n") }
    request("addContext", params, function(entry)
      local to = entry.sessionCreated and "the new session " or ""
      show(("added %s to %s%s"):format(short, to, name))
    end)
  end
  local name = vim.trim(options.args)
  if name ~= "" then return add(name) end
  with_active(add, function()
    fail("nothing added: no session is active; use :TenetsSession switch NAME or :TenetsAdd NAME")
  end)
end

--- Completes both commands. Neovim replaces only `lead`, the last word. So for a name with spaces
--- this returns the part from that word on.
local function complete(lead, line, position)
  local command, typed = line:sub(1, position):match("Tenets(%a*)%s+(.*)$")
  if command and vim.startswith(command, "S") then
    local verb, name = typed:match("^(%S+)%s+(.*)$")
    if not verb then
      return vim.tbl_filter(function(each) return vim.startswith(each, lead) end, SUBCOMMANDS)
    end
    typed = (verb == "switch" or verb == "exit" or verb == "delete") and name or nil
  end
  if not typed then return {} end
  if server then -- completion does not start it, because it could not show an error
    local fresh = false
    list_sessions(function() fresh = true end, ignore)
    vim.wait(COMPLETION_WAIT, function() return fresh end, 5)
  end
  local found = {}
  for _, name in ipairs(known_names) do
    if vim.startswith(name, typed) then table.insert(found, name:sub(#typed - #lead + 1)) end
  end
  return found
end

--- Before Neovim exits, waits for the replies to commands. CTRL-C ends the wait.
local function finish()
  is_exiting = true
  local done = vim.wait(EXIT_WAIT, function()
    for entry in pairs(server and server.pending or {}) do
      if entry.failed ~= ignore then return false end
    end
    return scheduled_messages == 0
  end, 5)
  is_exiting = false -- Neovim may not exit after all, for example because of an unsaved buffer
  if not done then vim.notify("tenets: the last command got no reply", vim.log.levels.WARN) end
end

--- For 'statusline': "tenets: NAME", "" if no session is active, or "tenets: disconnected".
function M.statusline()
  if lost then return "tenets: disconnected" end
  return active and "tenets: " .. active or ""
end

--- Options: `cmd`, the server and its arguments; `on_change(name)`, which is called with the name
--- of the active session, or nil, when that has changed. A second call keeps a running server.
function M.setup(options)
  config = vim.tbl_extend("force", { cmd = { "tenets-session-server" } }, options or {})
  local define = vim.api.nvim_create_user_command
  define("TenetsSession", session_command, { nargs = "*", complete = complete })
  define("TenetsAdd", add_command, { nargs = "*", range = true, complete = complete })
  local group = vim.api.nvim_create_augroup("tenets_session", { clear = true })
  -- Not VimLeavePre: there Neovim stops its servers, perhaps before this callback.
  vim.api.nvim_create_autocmd("ExitPre", { group = group, callback = finish })
  -- Later, so that it does not slow down the start of Neovim.
  vim.schedule(function()
    if not server and vim.v.exiting == vim.NIL then start() end
  end)
end

return M
