--- The former name of this plugin.

return require("tenets")
