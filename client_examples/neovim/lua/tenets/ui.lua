--- Asks the user, once there is time for a question.

local M = {}

-- The modes in which no text and no command is being typed.
local IDLE = { n = true, nt = true }

--- Runs a function now, or when the user has done with what is being typed.
function M.when_idle(run)
  if IDLE[vim.api.nvim_get_mode().mode] and vim.fn.getcmdwintype() == "" then return run() end
  vim.api.nvim_create_autocmd({ "ModeChanged", "CmdwinLeave" }, {
    once = true,
    callback = vim.schedule_wrap(function() M.when_idle(run) end),
  })
end

--- Lets the user choose one of some items, and calls `chosen(item)`; `format` is how they are shown.
function M.choose(items, prompt, format, chosen)
  M.when_idle(function()
    -- CTRL-C is an error there.
    pcall(vim.ui.select, items, { prompt = prompt, format_item = format, kind = "tenets" }, function(item)
      if item then vim.schedule(function() chosen(item) end) end
    end)
  end)
end

--- Asks for a line of text, and calls `done(text)` unless it is blank.
function M.ask(prompt, default, done)
  M.when_idle(function()
    pcall(vim.ui.input, { prompt = prompt, default = default }, function(answer)
      answer = vim.trim(answer or "")
      if answer ~= "" then vim.schedule(function() done(answer) end) end
    end)
  end)
end

return M
