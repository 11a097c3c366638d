-- Defines the commands. All else is loaded when it is needed.

if vim.g.loaded_tenets or vim.fn.has("nvim-0.7.2") == 0 then return end
vim.g.loaded_tenets = true

local function define(name, run, more)
  local options = vim.tbl_extend("error", {
    nargs = "*",
    complete = function(...) return require("tenets.commands").complete(...) end,
  }, more)
  vim.api.nvim_create_user_command(name, function(given)
    require("tenets.commands")[run](given)
  end, options)
end

define("Tenets", "run", { range = true, desc = "Work sessions" })
define("TenetsAdd", "add", { range = true, desc = "Add lines to a session" })
define("TenetsSession", "run", { range = true, desc = "The former name of :Tenets" })

-- A buffer of notes, also one that a session of Neovim's has restored.
local group = vim.api.nvim_create_augroup("tenets", { clear = true })
vim.api.nvim_create_autocmd("BufReadCmd", {
  group = group,
  pattern = "tenets://*",
  callback = function(event) require("tenets.notes").read(event.buf) end,
})
vim.api.nvim_create_autocmd("SessionLoadPost", {
  group = group,
  callback = function()
    for _, window in ipairs(vim.api.nvim_list_wins()) do
      local buffer = vim.api.nvim_win_get_buf(window)
      if vim.startswith(vim.api.nvim_buf_get_name(buffer), "tenets://") then
        require("tenets.notes").read(buffer)
      end
    end
  end,
})
