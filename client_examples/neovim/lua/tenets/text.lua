--- How sessions, notes and times are shown.

local present = require("tenets.server").present

local M = {}

local UNITS = { { 86400 * 365, "y" }, { 86400, "d" }, { 3600, "h" }, { 60, "min" } }

--- Returns the seconds since 1970 of an RFC 3339 time.
local function seconds_of(time)
  local year, month, day, hour, minute, second = time:match("(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  local parts = { year = year, month = month, day = day, hour = hour, min = minute, sec = second }
  local as_if_local = os.time(parts)
  if not as_if_local then return 0 end
  local utc = os.date("!*t", as_if_local)
  utc.isdst = os.date("*t", as_if_local).isdst
  local sign, hours, minutes = time:match("([+-])(%d%d):(%d%d)$")
  local offset = sign and (hours * 3600 + minutes * 60) * (sign == "-" and -1 or 1) or 0
  return as_if_local + (as_if_local - os.time(utc)) - offset
end

--- Returns a time of the server in the user's time zone.
function M.time(time) return os.date("%Y-%m-%d %H:%M", seconds_of(time)) end

--- Returns how long ago a time of the server is.
function M.age(time)
  local seconds = os.time() - seconds_of(time)
  for _, unit in ipairs(UNITS) do
    if seconds >= unit[1] then return math.floor(seconds / unit[1]) .. " " .. unit[2] end
  end
  return "just now"
end

--- Returns a number and what is counted.
function M.count(number, one) return ("%d %s"):format(number, number == 1 and one or one .. "s") end

--- Returns the parts that are there, with dots between them.
function M.joined(...)
  local parts = {}
  for index = 1, select("#", ...) do
    local part = present((select(index, ...)))
    if part and part ~= "" then table.insert(parts, part) end
  end
  return table.concat(parts, " · ")
end

--- Returns the file of a URI, or of an absolute path; nil if it is on no disk of this machine.
function M.file(uri)
  if vim.startswith(uri, "file:") then return vim.uri_to_fname(uri) end
  return vim.startswith(uri, "/") and uri or nil
end

--- Returns where a note belongs, "login.py:5"; nil if nowhere.
function M.place(location)
  location = present(location)
  if not location then return nil end
  local file = M.file(location.uri)
  local name = file and vim.fn.fnamemodify(file, ":~:.") or location.uri
  local range = present(location.range)
  return range and ("%s:%d"):format(name, range.start.line + 1) or name
end

--- Returns who wrote a note.
function M.author(entry) return present(entry.author) or present(entry.importedAuthor) end

return M
