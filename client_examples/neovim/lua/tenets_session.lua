--- Work sessions shared by every editor on the machine, through tenets-session-server.
---
--- `require("tenets_session").setup{}` starts the server and defines `:TenetsSession` and
--- `:TenetsAdd`; `statusline()` names the active session. For Neovim 0.7.2 and newer. Answers
--- arrive in callbacks, so that no slow disk freezes the editor.

local M = {}

-- 0.11 deprecates start_client() and calling a client's methods with a dot; 0.7 knows nothing else.
local HAS_0_11 = vim.fn.has("nvim-0.11") == 1
local SUBCOMMANDS = { "create", "exit", "list", "switch" }
local PAGE_SIZE, MOST_PAGES = 100, 20 -- of a list; nobody reads more names than that
-- The longest that the editor is kept waiting, in ms: by completion, and by :qa after a command.
local COMPLETION_WAIT, EXIT_WAIT = 300, 5000

local MISSING = "%s is not installed, or not on the PATH; tell where it is: "
  .. 'require("tenets_session").setup{ cmd = { "/path/to/tenets-session-server" } }'

local config = {}
-- The process in use. `client` is nil until the handshake is done; what is asked before that is in
-- `queue`. `pending` is the set of all that has no answer yet, `queue` included.
local server = nil
local active = nil -- name of the active session, as far as it is known
local revision = -1 -- of the last didChange that counted
local known_names = {} -- for completion
local untold = 0 -- messages that are about to be shown
local is_exiting = false -- or waiting for answers before it

--- Shows a message, later: within a command run by Lua an error message becomes an exception. For
--- the same reason there are only warnings during :qa, which may be such a command.
local function tell(message, level)
  untold = untold + 1
  vim.schedule(function()
    untold = untold - 1
    if is_exiting and level then level = vim.log.levels.WARN end
    vim.notify("tenets: " .. message, level or vim.log.levels.INFO)
  end)
end

local function fail(message) tell(message, vim.log.levels.ERROR) end

-- For what nobody has asked for: its failure is no news, the next command will tell.
local function ignore() end

--- JSON's null is nil or vim.NIL, depending on the version of Neovim and on where it stands.
local function present(value) return value ~= vim.NIL and value or nil end

--- Takes the active session, or none.
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
    if not target.pending[entry] then return end -- it has been reported as lost
    target.pending[entry] = nil
    if err then return entry.failed(tostring(err.message)) end
    entry.done(present(result))
  end
  -- Where this is not sent, on_exit is about to be called and reports it.
  local client, method = target.client, "tenets/session." .. entry.verb
  if HAS_0_11 then
    client:request(method, entry.params, answered)
  else
    client.request(method, entry.params, answered)
  end
end

local function on_init(target, client, result)
  target.client = client
  local capability = (result.capabilities.experimental or {}).tenetsSession or {}
  -- Revisions belong to a database file, and this may be another one than before.
  revision = capability.revision or -1
  for _, warning in ipairs(capability.warnings or {}) do tell(warning, vim.log.levels.WARN) end
  for _, entry in ipairs(target.queue) do submit(target, entry) end
end

--- Reports that a process is gone, and each request that is lost with it: Neovim forgets those.
local function on_exit(target, code, signal)
  server = nil
  set_active(nil) -- from now on nobody tells of changes
  if vim.v.exiting == vim.NIL then -- otherwise it is no news
    local reason = signal ~= 0 and "signal " .. signal or "exit status " .. code
    fail(("the server has ended (%s); the next command starts it again"):format(reason))
  end
  local fate = target.client and "may or may not have been" or "was not"
  local lost = target.pending
  target.pending = {}
  for entry in pairs(lost) do
    entry.failed(("no answer, for the server has ended; %s %s done"):format(entry.verb, fate))
  end
end

--- Returns the new server, or nil after having told why there is none.
local function start()
  if vim.fn.executable(config.cmd[1]) == 0 then return fail(MISSING:format(config.cmd[1])) end
  local target = { queue = {}, pending = {} }
  local options = {
    name = "tenets",
    cmd = config.cmd,
    handlers = { ["tenets/session.didChange"] = function(_, params) did_change(params) end },
    on_init = function(client, result) on_init(target, client, result) end,
    -- Scheduled, because Neovim calls it where most of its API is not allowed.
    on_exit = vim.schedule_wrap(function(code, signal) on_exit(target, code, signal) end),
  }
  local id
  if HAS_0_11 then
    -- No buffer is attached, as the server has no use for its text; and a client that is just
    -- ending must not be taken for a running one.
    local never = function() return false end
    id = vim.lsp.start(options, { attach = false, reuse_client = never, silent = true })
  else
    id = vim.lsp.start_client(options)
  end
  if not id then return fail("could not start " .. table.concat(config.cmd, " ")) end
  server = target
  local nothing = vim.empty_dict() -- {} would be sent as an array
  submit(target, { verb = "getActive", params = nothing, done = set_active, failed = ignore })
  return target
end

--- Asks the server, starting it if need be. In the end `done(result)` or `failed(message)` is
--- called; by default the latter shows the message.
local function request(verb, params, done, failed)
  failed = failed or fail
  -- Invalid UTF-8 is invalid JSON, and the server could not even tell which request it was.
  if not pcall(vim.fn.json_encode, params) then
    return failed(verb .. " was not done: the text is not valid UTF-8")
  end
  local entry = { verb = verb, params = params, done = done, failed = failed }
  local target = server or start()
  if target then submit(target, entry) end
end

--- Calls `done(sessions, rest)`, where `rest` tells that there are more.
local function list_sessions(done, failed)
  local sessions, pages = {}, 0
  local function fetch(cursor)
    request("list", { limit = PAGE_SIZE, cursor = cursor }, function(page)
      vim.list_extend(sessions, page.sessions)
      pages = pages + 1
      local rest = present(page.nextCursor)
      if rest and pages < MOST_PAGES then return fetch(rest) end
      known_names = vim.tbl_map(function(session) return session.name end, sessions)
      done(sessions, rest)
    end, failed)
  end
  fetch(nil)
end

--- Calls `done(name)`, or `none()`. The server is asked: another editor may just have switched.
local function with_active(done, none)
  request("getActive", vim.empty_dict(), function(session)
    set_active(session)
    if session then done(session.name) else none() end
  end)
end

--- Requests a change whose result is the session as it is then.
local function change(verb, params, message)
  request(verb, params, function(session)
    if session.active or session.name == active then set_active(session.active and session) end
    tell(message:format(session.name))
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

local function session_command(options)
  -- A name may have spaces, bars and quotes in it: it is all that follows the subcommand.
  local verb, name = options.args:match("^%s*(%S*)%s*(.-)%s*$")
  local function leave(which) change("setActive", { name = which, active = false }, "left %s") end
  local function none() tell("no session is active") end
  if verb == "" then
    with_active(function(found) tell("the active session is " .. found) end, none)
  elseif not vim.tbl_contains(SUBCOMMANDS, verb) then
    fail(("no such subcommand: %s; there are %s"):format(verb, table.concat(SUBCOMMANDS, ", ")))
  elseif verb == "list" then
    list_sessions(show_list)
  elseif verb == "exit" and name == "" then
    with_active(leave, none)
  elseif name == "" then
    fail((":TenetsSession %s needs the name of a session"):format(verb))
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
  local file = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(0), ":.")
  local place = ("%s:%d-%d"):format(file == "" and "[No Name]" or file, first, last)
  -- Read now: by the time of an answer it may be another buffer, or another text.
  local lines = { place }
  for _, line in ipairs(vim.api.nvim_buf_get_lines(0, first - 1, last, false)) do
    -- Neovim keeps a NUL byte as a line feed. (Brackets drop gsub's second result.)
    table.insert(lines, (line:gsub("\n", "\0")))
  end
  local function add(name)
    local params = { sessionName = name, kind = "code", content = table.concat(lines, "\n") }
    request("addContext", params, function(entry)
      local to = entry.sessionCreated and "the new session " or ""
      tell(("added %s to %s%s"):format(place, to, name))
    end)
  end
  local name = vim.trim(options.args)
  if name ~= "" then return add(name) end
  with_active(add, function()
    fail("nothing added: no session is active; :TenetsSession switch to one, or :TenetsAdd NAME")
  end)
end

--- Completes either command. Neovim replaces only `lead`, the last word; so of a name with spaces
--- only what is from there on is returned.
local function complete(lead, line, position)
  local command, typed = line:sub(1, position):match("Tenets(%a*)%s+(.*)$")
  if command and vim.startswith(command, "S") then
    local verb, name = typed:match("^(%S+)%s+(.*)$")
    if not verb then
      return vim.tbl_filter(function(each) return vim.startswith(each, lead) end, SUBCOMMANDS)
    end
    typed = (verb == "switch" or verb == "exit") and name or nil
  end
  if not typed then return {} end
  if server then -- completion starts none, as it could not tell why that failed
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

--- Before Neovim exits, gives what was asked for a moment to be done. CTRL-C ends the wait.
local function finish()
  is_exiting = true
  local done = vim.wait(EXIT_WAIT, function()
    for entry in pairs(server and server.pending or {}) do
      if entry.failed ~= ignore then return false end
    end
    return untold == 0
  end, 5)
  is_exiting = false -- maybe: there may be another reason to stay, such as an unsaved buffer
  if not done then vim.notify("tenets: the last command has no answer", vim.log.levels.WARN) end
end

--- For 'statusline': "tenets: NAME", or "" where no session is known to be active.
function M.statusline() return active and "tenets: " .. active or "" end

--- Options: `cmd`, the server and its arguments; `on_change(name)`, called with the active
--- session's name or nil when it has changed. Called again, it keeps a server that is running.
function M.setup(options)
  config = vim.tbl_extend("force", { cmd = { "tenets-session-server" } }, options or {})
  local define = vim.api.nvim_create_user_command
  define("TenetsSession", session_command, { nargs = "*", complete = complete })
  define("TenetsAdd", add_command, { nargs = "*", range = true, complete = complete })
  local group = vim.api.nvim_create_augroup("tenets_session", { clear = true })
  -- Not VimLeavePre: there Neovim stops its servers, and might do so first.
  vim.api.nvim_create_autocmd("ExitPre", { group = group, callback = finish })
  -- Not at once, so that Neovim itself starts no slower.
  vim.schedule(function()
    if not server and vim.v.exiting == vim.NIL then start() end
  end)
end

return M
