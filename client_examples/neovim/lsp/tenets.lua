-- For `vim.lsp.enable("tenets")` of Neovim 0.11 and newer: notes in code actions, hovers and the
-- symbol search, beside the language servers of a file type. The plugin does not need it.

return {
  cmd = { "tenets-session-server" },
  init_options = { editorFeatures = true },
  root_dir = function(_, found) found(vim.fn.getcwd()) end,
}
