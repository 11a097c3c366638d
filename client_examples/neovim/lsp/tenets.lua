-- For `vim.lsp.enable("tenets")` of Neovim 0.11 and newer: notes in code actions, hovers and the
-- symbol search, beside the language servers of a file type. The plugin does not need it.

return {
  -- A function, so that the option `cmd` of setup() counts whenever that is called.
  cmd = function(dispatchers)
    return vim.lsp.rpc.start(require("tenets.config").cmd, dispatchers)
  end,
  init_options = { editorFeatures = true },
  root_dir = function(_, found) found(vim.fn.getcwd()) end,
}
