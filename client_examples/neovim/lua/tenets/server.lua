--- The connection to tenets-session-server, over Neovim's JSON-RPC (|lsp-rpc|).
---
--- It is none of Neovim's language clients: these are for buffers, and when a server ends, they say so
--- in more lines than there are for messages, so that the user has to press a key.
--- It is started by the first request. If it ends, it is started again by itself. Replies arrive in
--- callbacks, so a slow disk does not freeze the editor.

local config = require("tenets.config")

local M = {
  --- "none", "starting", "running" or "lost": there was a server, and it is started again.
  state = "none",
  --- What the server has said of itself in the handshake (`tenetsSession`).
  capability = {},
  --- The folders that the server tells the sessions of: the working folders of the windows.
  folders = {},
}

local HAS_0_10 = vim.fn.has("nvim-0.10") == 1
-- Milliseconds for which the user waits at most, in all, while no reply arrives.
local PATIENCE = 5000
-- Milliseconds until a server that has ended is started again: doubled after each attempt that fails.
local FIRST_RETRY, LAST_RETRY = 500, 60000
-- Milliseconds after which a server that ends has worked: it is told of, and started again soon.
local STABLE = 10000

-- Of the types of messages in LSP.
local LEVELS = { vim.log.levels.ERROR, vim.log.levels.WARN, vim.log.levels.INFO, vim.log.levels.INFO }

local MISSING = "%s is not on the PATH; see :checkhealth tenets"

-- The server that is running: `rpc` is the connection. Requests before the handshake is done
-- (`is_ready`) are in `queue`. `pending` is the set of all requests without a reply, `queue` included.
local server = nil
local retry = FIRST_RETRY -- milliseconds until the next attempt
local start -- a function, below
local is_told = false -- whether the user knows that the server ends
local listeners = {}
local shown_warnings = {} -- each is shown once
local patience = PATIENCE -- what is left of it
local unshown = 0 -- messages that are scheduled but not shown yet
local held = nil -- while a command waits: the messages that are shown after it
local is_exiting = false -- true while :qa shows the last messages

--- Shows a message, after the command that runs: within it, an error message would be an exception,
--- or an error of its autocommand. :qa is the last command, so it shows errors as warnings.
function M.show(message, level)
  unshown = unshown + 1
  vim.schedule(function()
    unshown = unshown - 1
    if held then return table.insert(held, { message, level }) end
    if is_exiting and level then level = vim.log.levels.WARN end
    vim.notify("tenets: " .. message, level or vim.log.levels.INFO)
  end)
end

function M.fail(message) M.show(message, vim.log.levels.ERROR) end

--- Waits until `is_done()`, and returns whether it is; at most some milliseconds, and no longer than
--- the patience of the user. CTRL-C ends the wait.
function M.wait(is_done, most)
  held = {}
  local start = vim.loop.hrtime()
  local done = vim.wait(math.min(most or PATIENCE, patience), is_done, 5)
  local waited = math.floor((vim.loop.hrtime() - start) / 1e6)
  if not done then patience = math.max(0, patience - waited) end
  local messages = held
  held = nil
  for _, message in ipairs(messages) do M.show(unpack(message)) end
  return done
end

--- For requests that no command made. If they fail, the next command reports the problem.
function M.ignore() end

--- Returns nil for JSON's null, which Neovim decodes as nil or vim.NIL.
function M.present(value)
  if value == vim.NIL then return nil end
  return value
end

--- Has a function called with ("state", STATE), and with ("change", PARAMS of didChange).
function M.listen(listener) table.insert(listeners, listener) end

local function tell(what, value)
  for _, listener in ipairs(listeners) do
    -- What one of them meets must not stop the others.
    local ok, problem = pcall(listener, what, value)
    if not ok then M.fail(tostring(problem)) end
  end
end

local function become(state)
  M.state = state
  tell("state", state)
end

--- Returns the working folder of a window, by default the current one.
function M.folder(window)
  local tab, number = unpack(vim.fn.win_id2tabwin(window or vim.api.nvim_get_current_win()))
  return vim.uri_from_fname(vim.fn.getcwd(number, tab))
end

--- Returns the working folders of all windows, each once.
local function folders_of_windows()
  local folders, seen = {}, {}
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    local folder = M.folder(window)
    if not seen[folder] then table.insert(folders, folder) end
    seen[folder] = true
  end
  return folders
end

--- Returns folders as LSP has them.
local function workspace(folders)
  return vim.tbl_map(function(uri)
    return { uri = uri, name = vim.fn.fnamemodify(vim.uri_to_fname(uri), ":t") }
  end, folders)
end

local function submit(target, entry)
  target.pending[entry] = true
  if not target.is_ready then return table.insert(target.queue, entry) end
  local function answered(err, result)
    if not target.pending[entry] then return end -- already reported as lost
    target.pending[entry] = nil
    patience = PATIENCE
    if err then
      local data = type(err.data) == "table" and err.data or {}
      return entry.failed(tostring(err.message), data.kind)
    end
    entry.done(M.present(result))
  end
  -- If this cannot be sent, the server has ended: on_exit is called soon, and reports it.
  target.rpc.request("tenets/session." .. entry.verb, entry.params, answered)
end

--- Goes on after the handshake.
local function initialized(target, result)
  target.is_ready = true
  target.rpc.notify("initialized", vim.empty_dict())
  M.capability = (result.capabilities.experimental or {}).tenetsSession or {}
  for _, warning in ipairs(M.capability.warnings or {}) do
    if not shown_warnings[warning] then M.show(warning, vim.log.levels.WARN) end
    shown_warnings[warning] = true
  end
  become("running")
  for _, entry in ipairs(target.queue) do submit(target, entry) end
end

--- Starts the server again in a while, unless a command does that before.
local function start_later()
  vim.defer_fn(function()
    if not server and vim.v.exiting == vim.NIL then start(true) end
  end, retry)
  retry = math.min(retry * 2, LAST_RETRY)
end

--- Goes on after the server has ended by itself.
local function server_ended(target, code, signal)
  server = nil
  if vim.loop.now() - target.started > STABLE then
    retry, is_told = FIRST_RETRY, false
  end
  if vim.v.exiting == vim.NIL then -- otherwise it is expected
    local again = target.is_ready or M.state == "lost" -- else it has never worked
    if not (is_told and again) then
      is_told = again
      local reason = signal ~= 0 and "signal " .. signal or "exit status " .. code
      local what = again and "it is started again" or "the next command starts it again"
      M.fail(("the server has ended (%s); %s"):format(reason, what))
    end
    become(again and "lost" or "none")
    if again then start_later() end
  end
end

--- Reports that the server has ended, and each request without a reply: Neovim does not.
local function on_exit(target, code, signal)
  if server == target then server_ended(target, code, signal) end
  local fate = target.is_ready and "may or may not have been" or "was not"
  local without_reply = target.pending
  target.pending = {}
  for entry in pairs(without_reply) do
    local sentence = "no reply, because the server ended; %s %s executed"
    entry.failed(sentence:format(entry.verb, fate), "connectionLost")
  end
end

--- Starts a server and returns it. If that fails, returns nil and the reason. With `again` nobody
--- waits for it: then it is tried once more.
function start(again)
  local function failed(message)
    if again then start_later() end
    return nil, message
  end
  local cmd = config.cmd
  if vim.fn.executable(cmd[1]) == 0 then return failed(MISSING:format(cmd[1])) end
  local target = { queue = {}, pending = {}, started = vim.loop.now() }
  local dispatchers = {
    notification = function(method, params)
      if server ~= target then return end
      if method == "tenets/session.didChange" then tell("change", params) end
      if method == "window/showMessage" then M.show(params.message, LEVELS[params.type]) end
    end,
    -- Scheduled, because Neovim calls it where most of its API is forbidden.
    on_exit = vim.schedule_wrap(function(code, signal) on_exit(target, code, signal) end),
  }
  local is_started, rpc
  if HAS_0_10 then
    is_started, rpc = pcall(vim.lsp.rpc.start, cmd, dispatchers)
  else
    is_started, rpc = pcall(vim.lsp.rpc.start, cmd[1], vim.list_slice(cmd, 2), dispatchers)
  end
  if not (is_started and rpc) then return failed("could not start " .. table.concat(cmd, " ")) end
  target.rpc, server = rpc, target
  M.folders = folders_of_windows()
  local of = vim.version()
  rpc.request("initialize", {
    processId = vim.loop.os_getpid(),
    clientInfo = { name = "Neovim", version = ("%d.%d.%d"):format(of.major, of.minor, of.patch) },
    rootUri = M.folder(),
    workspaceFolders = workspace(M.folders),
    capabilities = vim.empty_dict(),
    initializationOptions = { commands = false },
  }, function(problem, result)
    -- Without a result the server ends by itself, or cannot be used.
    if result then initialized(target, result) else M.fail(tostring(problem and problem.message)) end
  end)
  if M.state ~= "lost" then become("starting") end
  return target
end

--- Waits for the replies to commands; returns the verbs of those that have none.
local function wait_for_commands()
  local verbs = {}
  M.wait(function()
    verbs = {}
    for entry in pairs(server and server.pending or {}) do
      if entry.failed ~= M.ignore then table.insert(verbs, entry.verb) end
    end
    return #verbs == 0
  end)
  table.sort(verbs)
  return verbs
end

--- Before Neovim exits, waits for the replies to commands, and shows them.
local function finish()
  local verbs = wait_for_commands()
  if #verbs > 0 then
    local sentence = "no reply to %s: executed later, or not at all"
    M.show(sentence:format(table.concat(verbs, ", ")), vim.log.levels.WARN)
  end
  is_exiting = true
  vim.wait(PATIENCE, function() return unshown == 0 end, 5)
  is_exiting = false -- Neovim may not exit after all, for example because of an unsaved buffer
end

--- Ends the server. Where it does not listen it ends when its input does.
local function stop()
  if not server then return end
  server.rpc.request("shutdown", vim.empty_dict(), M.ignore)
  server.rpc.notify("exit", vim.empty_dict())
end

--- Starts the server, if it does not run.
function M.start()
  if server or vim.v.exiting ~= vim.NIL then return end
  local started, problem = start()
  if not started then M.fail(problem) end
end

--- Ends the server and starts the one that `cmd` names now, unless none has been started yet.
function M.restart()
  if M.state == "none" then return end
  stop()
  server, M.capability, retry = nil, {}, FIRST_RETRY
  become("none")
  M.start()
end

--- Sends a request; starts the server if necessary. In the end it calls `done(result)` or
--- `failed(message, kind)`. The default `failed` shows the message.
function M.request(verb, params, done, failed)
  failed = failed or M.fail
  -- {} would be sent as an array.
  if next(params) == nil then params = vim.empty_dict() end
  -- Invalid UTF-8 is invalid JSON, and the server could not find the id of the request.
  if not pcall(vim.fn.json_encode, params) then
    return failed(verb .. " was not sent: the text is not valid UTF-8")
  end
  local entry = { verb = verb, params = params, done = done, failed = failed }
  local target, problem = server, nil
  if not target then
    target, problem = start()
  end
  if target then submit(target, entry) else failed(problem) end
end

--- Tells the server of the working folders, if they are not those that it knows.
function M.tell_folders()
  local folders = folders_of_windows()
  if not (server and server.is_ready) or vim.deep_equal(folders, M.folders) then return end
  local event = { added = workspace(folders), removed = workspace(M.folders) }
  server.rpc.notify("workspace/didChangeWorkspaceFolders", { event = event })
  M.folders = folders
end

local group = vim.api.nvim_create_augroup("tenets_server", { clear = true })
-- Before the buffers go: their user may still stay.
vim.api.nvim_create_autocmd("ExitPre", { group = group, callback = finish })
vim.api.nvim_create_autocmd("VimLeavePre", {
  group = group,
  callback = function()
    wait_for_commands() -- before 0.9, :wqall is no ExitPre
    stop()
  end,
})

return M
