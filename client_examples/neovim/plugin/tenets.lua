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

-- In a buffer of notes.
vim.api.nvim_create_autocmd("BufReadCmd", {
  group = vim.api.nvim_create_augroup("tenets", { clear = true }),
  pattern = "tenets://*",
  callback = function(event) require("tenets.notes").read(event.buf) end,
})
