-- Loaded into the Neovim under test. Runs the Lua that a test sends, a line of JSON at a time, and
-- answers with what it returned. Between two of them, and while a test waits for something, Neovim
-- is as idle as between two keys of its user.

local uv = vim.uv or vim.loop

-- What is deprecated softly shows no message, so it is noted here.
_G.deprecated = {}
if vim.deprecate then
  vim.deprecate = function(name) table.insert(_G.deprecated, name) end
end

local socket = uv.new_tcp()

-- Answers; but where a time is given to wait, only when it is over or the value is true.
local function answer(request, start)
  local ok, value = xpcall(function()
    return assert(loadstring(request.lua, "=test"))(unpack(request.args))
  end, debug.traceback)
  if ok and not value and uv.now() - start < request.wait then
    vim.defer_fn(function() answer(request, start) end, 5)
  else
    socket:write(vim.json.encode({ ok = ok, value = value }) .. "\n")
  end
end

socket:connect("127.0.0.1", tonumber(vim.env.NEOVIM_DRIVER_PORT), function(problem)
  assert(not problem, problem)
  local received = ""
  socket:read_start(function(_, data)
    received = received .. (data or "")
    local line, rest = received:match("^([^\n]*)\n(.*)$")
    if line then
      received = rest
      vim.schedule(function() answer(vim.json.decode(line), uv.now()) end)
    end
  end)
end)
