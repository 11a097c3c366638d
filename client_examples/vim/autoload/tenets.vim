vim9script

# What the commands of plugin/tenets.vim do. Vim loads it with the first of them. The table of the
# commands, VERBS, is at the end: Vim has to know all functions there.
#
# The server speaks LSP over a channel. Every request is asynchronous: its reply comes in a
# callback. A menu or a buffer opens with the command and is filled by the reply, so that no reply
# takes keys that you type elsewhere.

# Milliseconds until a server that has ended is started again: doubled each time. A connection that
# has lasted STABLE seconds begins with the first one.
const FIRST_RETRY = 500
const LAST_RETRY = 60'000
const STABLE = 10.0
# Milliseconds for which Vim waits at most: in completion and :write; when it is left, or before it
# says that a server that was started does not reply.
const SHORT_WAIT = 300
const LONG_WAIT = 5000
# Notes in a notes buffer; entries, sessions and changes in a menu or list.
const MOST_NOTES = 200
const MOST = 1000
const NOTES = 'tenets://notes/'
const DATA = expand(has('win32') ? '~/vimfiles/tenets' : '~/.vim/tenets')
const NO_SESSION = 'no session; :Tenets switch NAME, or :Tenets create NAME'
# Requests that change something, in words: where one has no reply, the user has to know.
const WRITES = {addContext: 'note', bind: 'bind', copy: 'copy', create: 'create', delete: 'delete',
  exit: 'exit', removeContext: 'deleting a note', rename: 'rename', restore: 'undo',
  setActive: 'switch', updateContext: 'changing a note'}

# -- Texts ---------------------------------------------------------------------------------------

# A member of an object; null and absent ones are the same.
def Get(object: dict<any>, member: string, default: any = ''): any
  const value = object->get(member, v:null)
  return type(value) == v:t_none ? default : value
enddef

# A text in one line.
def OneLine(text: string): string
  return text->substitute('[[:cntrl:][:space:]]\+', ' ', 'g')->trim()
enddef

# A text of at most so many screen cells.
def Short(text: string, width: number): string
  return strdisplaywidth(text) <= width ? text : printf('%.' .. (width - 1) .. 'S…', text)
enddef

def Count(number: number, one: string): string
  return $'{number} {one}{number == 1 ? "" : "s"}'
enddef

# Seconds since 1970 of a time such as 2026-11-24T09:30:00.123456+00:00.
def Seconds(time: string): number
  const found = time->matchlist(
    '\v^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)%(\.\d+)?%(([+-])(\d+):(\d+))?')
  const [year, month, day, hour, minute, second] = found[1 : 6]->map((_, part) => str2nr(part))
  # Years begin in March here, so that the leap day is the last one.
  const years = month > 2 ? year : year - 1
  const days = years * 365 + years / 4 - years / 100 + years / 400
    + ((month + 9) % 12 * 153 + 2) / 5 + day - 719'469
  const offset = str2nr(found[8]) * 60 + str2nr(found[9])
  return ((days * 24 + hour) * 60 + minute - (found[7] == '-' ? -offset : offset)) * 60 + second
enddef

def Ago(time: string): string
  const seconds = localtime() - Seconds(time)
  for [unit, size] in [['day', 86'400], ['hour', 3600], ['minute', 60]]
    if seconds >= size
      return Count(seconds / size, unit) .. ' ago'
    endif
  endfor
  return 'just now'
enddef

def Uri(path: string): string
  # As bytes: each becomes one character.
  const bytes = iconv(has('win32') ? '/' .. tr(path, '\', '/') : path, 'latin1', 'utf-8')
  return 'file://' .. bytes->substitute('[^A-Za-z0-9/._~-]',
    (found) => printf('%%%02X', char2nr(found[0])), 'g')
enddef

# The path of a file: URI or of an absolute path; '' for what is not on this machine.
def PathOf(uri: string): string
  if uri !~ '^\a[[:alnum:]+.-]\+:'
    return uri
  elseif uri !~? '^file:'
    return ''
  endif
  const path = uri->substitute('\c^file:\%(//[^/]*\)\?', '', '')
    ->substitute('%\(\x\x\)', (found) => eval($'"\x{found[1]}"'), 'g')
  return has('win32') ? path->substitute('^/', '', '') : path
enddef

# The working folder; where it has been deleted, getcwd() is empty.
def Folder(): string
  return getcwd() ?? server->get('folder', $HOME)
enddef

def FolderName(folder: string): string
  return PathOf(folder)->fnamemodify(':~')
enddef

# -- Messages ------------------------------------------------------------------------------------

def Say(message: string, highlight = 'None')
  # Not into the command line that the user types, nor behind a message that waits for a key.
  if mode(1) =~ '^\%(c$\|r\)' && v:exiting == null
    timer_start(100, (_) => Say(message, highlight))
    return
  endif
  redraw # so that a message which is there does not scroll
  execute 'echohl' highlight
  echomsg 'tenets: ' .. OneLine(message)
  echohl None
enddef

def Warn(message: string)
  Say(message, 'WarningMsg')
enddef

def Fail(message: string)
  Say(message, 'ErrorMsg')
enddef

def Complain(problem: dict<any>)
  if problem.kind != 'connectionLost' # Lost() says it
    Fail(problem.message)
  endif
enddef

# For requests that no command has made.
def Ignore(_: dict<any>)
enddef

# Show something; where Vim opens no window, say why.
def Guarded(Do: func)
  try
    Do()
  catch /^Vim\%((\S\+)\)\?:E/
    Fail(v:exception->substitute('^Vim\%((\S\+)\)\?:', '', ''))
  endtry
enddef

# The same by a late reply, unless the user has gone on meanwhile.
def Open(window: number, what: string, Do: func)
  if window == win_getid() && mode(1) ==# 'n' && state('mo') == ''
    Guarded(Do)
  else
    Say($'{what}: the reply was late; repeat the command')
  endif
enddef

# -- Server --------------------------------------------------------------------------------------

# The server that runs: job, channel, folder, isReady (after the handshake), since, said (its last
# line on stderr). Empty if there is none.
var server: dict<any> = {}
# Requests without a reply, in the order in which they are sent.
var pending: list<dict<any>> = []
var delay = FIRST_RETRY
var retry = 0 # a timer
var is_lost = false # whether there is no server that works
var warned: list<string> = []
var author = ''
# Of the newest message that tells of changes: what is older is late.
var revision = -1
var state = '' # the newest one that is known
var seen = '' # the one in which Vim was left before

export def Start()
  if !server->empty()
    return
  endif
  timer_stop(retry)
  if &encoding !=? 'utf-8'
    Lost("'encoding' has to be utf-8")
    return
  endif
  const given = get(g:, 'tenets_server', ['tenets-session-server'])
  const command: list<any> = type(given) == v:t_list ? given : [given]
  if command->empty() || command->copy()->filter((_, part) => type(part) != v:t_string)->len() > 0
    Lost('g:tenets_server: expected a list of texts')
    return
  elseif !executable(command[0])
    Lost($'no {command[0]} on the PATH; see :help tenets-install')
    return
  endif
  final target: dict<any> = {isReady: false, said: '', folder: Folder(), since: reltime()}
  server = target
  target.job = job_start(command, {
    in_mode: 'lsp',
    out_mode: 'lsp',
    err_mode: 'nl',
    noblock: 1, # a server that does not read must not stop Vim
    stoponexit: '', # it ends by itself, having executed what it has read
    out_cb: (_, message) => OnMessage(target, message),
    err_cb: (_, line) => target->extend({said: line}),
    exit_cb: (_, status) => OnExit(target, status),
  })
  target.channel = job_getchannel(target.job)
  const folder = {uri: Uri(target.folder), name: target.folder->fnamemodify(':t')}
  Transmit(target, 'initialize', {
    processId: getpid(),
    clientInfo: {name: 'Vim', version: $'{v:version / 100}.{v:version % 100}'},
    rootUri: folder.uri,
    workspaceFolders: [folder],
    capabilities: {},
    initializationOptions: {commands: false, activeMetadata: false},
  }, (reply) => OnInitialized(target, reply))
  timer_start(LONG_WAIT, (_) => {
    if target is server && !target.isReady
      Warn($'no reply from {command[0]} yet; see :help tenets-trouble')
    endif
  })
enddef

# Send a request, or a notification without `Then`. Where the server has ended, OnExit() knows.
def Transmit(target: dict<any>, method: string, params: dict<any>, Then: func = null_function)
  const message = {method: method, params: params}
  try
    if Then == null_function
      ch_sendexpr(target.channel, message)
    else
      ch_sendexpr(target.channel, message, {callback: (_, reply) => Then(reply)})
    endif
  catch /^Vim\%((\S\+)\)\?:E\%(630\|631\|906\):/
  endtry
enddef

def OnInitialized(target: dict<any>, reply: dict<any>)
  if target isnot server
    return
  elseif !reply->has_key('result')
    target.said = reply->get('error', {})->get('message', 'no result of initialize')
    job_stop(target.job)
    return
  endif
  target.isReady = true
  is_lost = false
  Transmit(target, 'initialized', {})
  const experimental: dict<any> = reply.result.capabilities->get('experimental', {})
  const capability: dict<any> = experimental->get('tenetsSession', {})
  # Of another connection, perhaps to another database, nothing is known here.
  revision = -1
  author = Get(capability, 'author')
  state = Get(capability, 'state')
  for warning in Get(capability, 'warnings', [])
    if warned->index(warning) < 0
      warned->add(warning)
      Warn(warning)
    endif
  endfor
  for entry in pending
    if !entry.isSent
      SendEntry(entry)
    endif
  endfor
  if seen == ''
    seen = Get(Kept($'{DATA}/state.json', {}), 'state') ?? state
    AddKept()
  endif
  LookAgain()
enddef

def OnMessage(target: dict<any>, message: dict<any>)
  if target isnot server
    return
  endif
  const method = message->get('method', '')
  if method == 'tenets/session.didChange'
    OnDidChange(message.params)
  elseif method == 'window/showMessage'
    Warn(message.params.message)
    LookAgain()
  endif
enddef

def OnExit(target: dict<any>, status: number)
  if target is server
    const reason = target.said->substitute('^tenets-session-server: ', '', '')
    Lost($'the server has ended ({reason ?? "exit status " .. status}); it is started again')
  endif
enddef

# There is no server, or none that works. Say so once, and start it again later.
def Lost(reason: string)
  const was_ready = server->get('isReady', false)
  if was_ready && server.since->reltime()->reltimefloat() > STABLE
    delay = FIRST_RETRY
  endif
  server = {}
  const is_first = delay == FIRST_RETRY
  is_lost = true
  SetCurrent({})
  if v:exiting != null
    return
  endif
  retry = timer_start(delay, (_) => Start())
  delay = [delay * 2, LAST_RETRY]->min()
  # A note is sent again: by its identityKey the server knows one that it has.
  const failed = pending->copy()->filter((_, entry) => entry.verb != 'addContext')
  pending->filter((_, entry) => entry.verb == 'addContext')
  for entry in pending
    entry.isSent = false
  endfor
  const writes = failed->copy()->filter((_, entry) => WRITES->has_key(entry.verb))
    ->map((_, entry) => '; ' .. WRITES[entry.verb]
      .. (entry.isSent ? ' may or may not have been done' : ' was not done'))->uniq()
  const kept = pending->empty() ? '' : $'; {Count(len(pending), "note")} will be sent again'
  const asked = failed->copy()->filter((_, entry) => [Ignore, Unknown]->index(entry.Failed) < 0)
  for entry in failed
    entry.Failed({kind: 'connectionLost', message: 'the server has ended'})
  endfor
  if is_first || !asked->empty() || !pending->empty()
    Fail(reason .. writes->join('') .. kept)
  endif
enddef

# Send a request; start the server if necessary. Calls Done(result) or Failed(problem).
def Request(verb: string, params: dict<any>, Done: func, Failed: func = Complain)
  final entry = {verb: verb, params: params, Done: Done, Failed: Failed, isSent: false}
  pending->add(entry)
  if server->empty()
    Start()
  elseif server.isReady
    SendEntry(entry)
  endif
enddef

def SendEntry(entry: dict<any>)
  final target = server
  entry.isSent = true
  Transmit(target, 'tenets/session.' .. entry.verb, entry.params,
    (reply) => OnReply(target, entry, reply))
enddef

def OnReply(target: dict<any>, entry: dict<any>, reply: dict<any>)
  if target isnot server
    return
  endif
  # Replies come in the order of the requests. Vim drops a message of which nothing has come for 100
  # milliseconds, so one may be missing; then the connection is begun anew.
  if pending[0] isnot entry
    target.said = 'a reply was lost'
    job_stop(target.job, 'kill')
    return
  endif
  pending->remove(0)
  if reply->has_key('error')
    const data: dict<any> = Get(reply.error, 'data', {})
    entry.Failed(data->extendnew({kind: Get(data, 'kind'), message: Get(reply.error, 'message')}))
  else
    entry.Done(reply->get('result', v:null))
  endif
enddef

# Wait until `IsDone()`, or for some milliseconds; CTRL-C ends it.
def Wait(most: number, IsDone: func)
  const start = reltime()
  try
    while !IsDone() && start->reltime()->reltimefloat() * 1000 < most
      sleep 5m
    endwhile
  catch /^Vim:Interrupt$/
  endtry
enddef

def HasWrites(): bool
  return pending->copy()->filter((_, entry) => WRITES->has_key(entry.verb))->len() > 0
enddef

# Vim is left: wait for what has no reply, keep the notes that have none, and end the server.
def Leave()
  if HasWrites()
    Start()
    const IsDone = () => !HasWrites() || server->empty()
    Wait(SHORT_WAIT, IsDone)
    if !IsDone()
      Say('waiting for the server; CTRL-C ends that')
      Wait(LONG_WAIT, IsDone)
    endif
  endif
  const notes = pending->copy()->filter((_, entry) => entry.verb == 'addContext')
  if !notes->empty()
    Keep($'unsent-{getpid()}.json', notes->mapnew((_, entry) => entry.params))
    Warn($'{Count(len(notes), "note")} without a reply: kept in {DATA}, for the next Vim')
  endif
  if state != ''
    Keep('state.json', {state: state})
  endif
  if !server->empty()
    final target = server
    server = {}
    Transmit(target, 'shutdown', {}, (_) => 0)
    Transmit(target, 'exit', {})
  endif
enddef

# -- Files of our own ----------------------------------------------------------------------------

def Keep(file: string, value: any)
  try
    mkdir(DATA, 'p', 0o700)
    const path = $'{DATA}/{file}'
    writefile([json_encode(value)], path .. '.new')
    rename(path .. '.new', path)
  catch
    Warn($'{DATA}/{file} could not be written: {v:exception}')
  endtry
enddef

# What a file has; the default if there is none, or if it is damaged.
def Kept(path: string, default: any): any
  try
    const found = path->readfile()->join("\n")->json_decode()
    return type(found) == type(default) ? found : default
  catch
    return default
  endtry
enddef

# Add the notes that had no reply when a Vim was left.
def AddKept()
  for path in glob($'{DATA}/unsent-*.json', true, true)
    AddNotesOf(path, Kept(path, []))
  endfor
enddef

def AddNotesOf(path: string, notes: list<any>)
  final left = notes->copy()
  for params in notes
    Request('addContext', params, (_) => {
      left->remove(0)
      if left->empty()
        delete(path)
        Say($'added {Count(len(notes), "note")} that had no reply when Vim was left')
      endif
    }, (problem) => Fail($'a note is still in {path}: {problem.message}'))
  endfor
enddef

# -- Current session -----------------------------------------------------------------------------

# The session of the working folder: id, name, binding (the folder that decides, or ''); or {}.
var current: dict<any> = {}
var is_known = false # whether `current` is up to date
var shown = ''

export def Statusline(): string
  return shown
enddef

# Take over a `Current`.
def SetCurrent(found: dict<any>)
  const before = current
  const session: dict<any> = Get(found, 'session', {})
  current = session->empty() ? {}
    : {id: session.id, name: session.name, binding: Get(found, 'binding')}
  is_known = !found->empty()
  shown = is_lost ? 'tenets: disconnected'
    : current->empty() ? '' : 'tenets: ' .. Short(current.name, 40)
  redrawstatus!
  if current->get('id') != before->get('id') || current->get('name', '') !=# before->get('name', '')
    if exists('#User#TenetsSessionChanged')
      try
        doautocmd <nomodeline> User TenetsSessionChanged
      catch
        Fail($'User TenetsSessionChanged: {v:exception}')
      endtry
    endif
  endif
enddef

# Ask for the current session, as of now.
def WithCurrent(Then: func, Failed: func = Complain)
  const folder = Folder()
  const before = revision
  Request('getCurrent', {folder: folder, includeMetadata: false}, (found) => {
    if folder ==# Folder() && revision != before && found.revision < revision
      WithCurrent(Then, Failed) # there was a change meanwhile, which is newer
      return
    elseif folder ==# Folder()
      SetCurrent(found)
    endif
    Then(found)
  }, Failed)
enddef

# The same for a command on the current session: fails where there is none.
def WithSession(Then: func)
  WithCurrent((found) => {
    const session = Get(found, 'session', {})
    if session->empty()
      Fail(NO_SESSION)
    else
      Then(session)
    endif
  })
enddef

# The database cannot be read. The server tells when it can be used again.
def Unknown(_: dict<any>)
  SetCurrent({})
enddef

# Look at everything anew that is shown.
def LookAgain()
  WithCurrent((_) => 0, Unknown)
  for buffer in views->keys()
    ReadNotes(str2nr(buffer))
  endfor
  MarkAll()
enddef

def OnDidChange(batch: dict<any>)
  if batch.revision <= revision && !Get(batch, 'incomplete', false)
    return
  endif
  revision = batch.revision
  state = batch.state
  const currents: list<any> = Get(batch, 'currents', [])
  if currents->empty()
    SetCurrent({session: Get(batch, 'active', {})})
  elseif PathOf(Get(currents[0], 'folder')) ==# Folder()
    SetCurrent(currents[0])
  else # the folder has just changed
    WithCurrent((_) => 0, Unknown)
  endif
  if Get(batch, 'incomplete', false)
    LookAgain()
    return
  endif
  FollowNotes(batch.changes)
  if batch.changes->copy()->filter((_, change) => change->has_key('contextId')
      || ['deleted', 'reset', 'restored']->index(change.type) >= 0)->len() > 0
    MarkAll()
  endif
enddef

# The working folder, or the window with a folder of its own, may be another one.
def FollowFolder()
  if server->empty() || !server.isReady || server.folder ==# Folder()
    return
  endif
  const Info = (folder) => ({uri: Uri(folder), name: fnamemodify(folder, ':t')})
  Transmit(server, 'workspace/didChangeWorkspaceFolders',
    {event: {removed: [Info(server.folder)], added: [Info(Folder())]}})
  server.folder = Folder()
  WithCurrent((_) => 0, Ignore)
enddef

# -- Menus ---------------------------------------------------------------------------------------

# By popup: title, items (each with a `label`), found (those that fit what was typed), typed, Pick,
# isFilled, and isEntered: whether the user has pressed Enter before the items were there.
var menus: dict<dict<any>> = {}

def OpenMenu(title: string, Pick: func): number
  const id = popup_menu(['...'], {
    filter: MenuFilter,
    callback: MenuClosed,
    minwidth: 30,
    maxwidth: &columns - 8,
    maxheight: [&lines - 8, 3]->max(),
  })
  menus[id] = {title: title, items: [], found: [], typed: '', Pick: Pick,
    isFilled: false, isEntered: false}
  DrawMenu(id)
  return id
enddef

# Fill a menu with rows of the columns `cells`; without rows it closes, and `none` is said.
def FillMenu(id: number, rows: list<dict<any>>, none: string, isAll = true)
  if !menus->has_key(id)
    # the user has left it
    return
  elseif rows->empty()
    popup_close(id, -1)
    Say(none)
    return
  endif
  final menu = menus[id]
  const widths = rows->mapnew((_, row) => strdisplaywidth(row.cells[0]))
  const width = [widths->max(), &columns / 2]->min()
  menu.items = rows->map((_, row) => row->extend({label:
    printf($'%-{width}S  %s', Short(row.cells[0], width), row.cells[1 :]->join('  '))}))
  menu.isFilled = true
  if !isAll
    menu.title ..= $' (the first {len(rows)})'
  endif
  DrawMenu(id)
  if menu.isEntered
    Choose(id)
  endif
enddef

def DrawMenu(id: number)
  final menu = menus[id]
  popup_setoptions(id, {title: $' {menu.title}: {menu.typed} '})
  if menu.isFilled
    const typed = tolower(menu.typed)
    menu.found = menu.items->copy()
      ->filter((_, item) => stridx(tolower(item.label), typed) >= 0)
    popup_settext(id, menu.found->mapnew((_, item) => item.label) ?? ['nothing fits'])
    win_execute(id, ':1')
  endif
enddef

def MenuFilter(id: number, key: string): bool
  final menu = menus[id]
  if key == "\<CR>"
    menu.isEntered = true
    Choose(id)
  elseif ["\<Up>", "\<Down>", "\<C-P>", "\<C-N>", "\<C-C>"]->index(key) >= 0
    popup_filter_menu(id, key)
  elseif key == "\<Esc>"
    popup_close(id, -1)
  elseif key == "\<BS>" || key == "\<C-H>"
    menu.typed = menu.typed->slice(0, -1)
    DrawMenu(id)
  elseif key == "\<C-U>" || key == "\<C-W>"
    menu.typed = ''
    DrawMenu(id)
  elseif strcharlen(key) == 1 && char2nr(key) >= 32
    menu.typed ..= key
    DrawMenu(id)
  endif
  return true
enddef

def Choose(id: number)
  if menus[id].isFilled && !menus[id].found->empty()
    popup_close(id, line('.', id))
  endif
enddef

def MenuClosed(id: number, line: number)
  const menu = menus->remove(id)
  if line > 0
    Guarded(() => menu.Pick(menu.found[line - 1]))
  endif
enddef

def MenuFailed(id: number): func
  return (problem) => {
    popup_close(id, -1)
    Complain(problem)
  }
enddef

def PickSession(title: string, Pick: func)
  const id = OpenMenu(title, (item) => Pick(item.session))
  Request('list', {order: 'recent', limit: MOST, includeContextCount: true, includeMetadata: false},
    (page) => FillMenu(id, page.sessions->mapnew((_, session) => ({
      session: session,
      cells: [(session.id == current->get('id') ? '* ' : '  ') .. session.name,
        session.active ? 'active' : '      ',
        printf('%9s', Count(session.contextCount, 'note')),
        Ago(session.createdAt)],
    })), 'there are no sessions; :Tenets create NAME', len(page.sessions) < MOST),
    MenuFailed(id))
enddef

# -- Commands on sessions ------------------------------------------------------------------------

def SayCurrent()
  WithCurrent((found) => {
    const session = Get(found, 'session', {})
    const binding = Get(found, 'binding')
    if session->empty()
      Say('no session')
    elseif binding != ''
      Say($'{session.name} (bound to {FolderName(binding)})')
    else
      Say($'{session.name} (active in every editor)')
    endif
  })
enddef

# Say what was done with a session, which this folder should show now, or no longer; and say where
# it does not, as it is bound.
def SayDone(done: string, id: number, isShown: bool)
  WithCurrent((found) => {
    const binding = Get(found, 'binding')
    const session: dict<any> = Get(found, 'session', {})
    const still = binding == '' || (session->get('id', 0) == id) == isShown ? ''
      : $'; {FolderName(binding)} still shows {session.name}, see :Tenets unbind'
    Say(done .. still)
  })
enddef

def Activate(params: dict<any>)
  Request('setActive', params, (session) =>
    SayDone($'switched to {session.name}', session.id, true))
enddef

def Switch(name: string)
  if name != ''
    Activate({name: name})
  else
    PickSession('Switch to', (session) => Activate({sessionId: session.id}))
  endif
enddef

# Ask for a text, unless it was given. Then the command is in the history, as if it had been typed.
def Ask(command: string, given: string, prompt: string, default = ''): string
  if given != ''
    return given
  endif
  const text = input(prompt, default)->trim()
  if text != ''
    histadd('cmd', $'{command} {text}')
  endif
  return text
enddef

def Create(given: string)
  const name = Ask('Tenets create', given, 'Name of the new session: ')
  if name != ''
    Request('create', {name: name, active: true}, (session) =>
      SayDone($'created {session.name}', session.id, true))
  endif
enddef

def Exit(name: string)
  final params: dict<any> = name == '' ? {folder: Folder()} : {name: name}
  Request('exit', params, (session) => SayDone($'left {session.name}', session.id, false))
enddef

def Bind(name: string)
  if name == ''
    PickSession('Bind this folder to', (session) => Bind(session.name))
    return
  endif
  const folder = Folder()
  Request('bind', {name: name, folder: folder}, (found) => {
    SetCurrent(found)
    const isThere = Get(found, 'binding') != ''
    const not_yet = isThere ? '' : '; there is no session of that name yet'
    Say($'{FolderName(folder)} is bound to {name}{not_yet}')
  })
enddef

def Unbind()
  WithCurrent((found) => {
    const binding = Get(found, 'binding', Folder())
    Request('bind', {name: v:null, folder: binding}, (_) =>
      WithCurrent((_) => Say($'{FolderName(binding)} shows the active session')))
  })
enddef

# Give the current session, or its copy, a name: `verb` is a method with the param newName.
def NameIt(verb: string, given: string, done: string)
  if given == '' && !is_known
    WithCurrent((_) => Say($'the server was not started yet; repeat :Tenets {verb}'))
    return
  elseif is_known && current->empty()
    Fail(NO_SESSION)
    return
  endif
  const what = verb == 'copy' ? 'the copy' : 'the session'
  const name = Ask($'Tenets {verb}', given, $'New name of {what}: ', current->get('name', ''))
  if name != ''
    WithSession((session) => Request(verb, {sessionId: session.id, newName: name},
      (named) => Say(printf(done, session.name, named.name))))
  endif
enddef

def Delete(name: string)
  if name == ''
    PickSession('Delete', (session) => Delete(session.name))
    return
  endif
  Request('delete', {name: name}, (result) => {
    if result.deleted
      Say($'deleted {name}; :Tenets undo brings it back')
    else
      Fail($'no session is named {name}')
    endif
  })
enddef

def TrashName(item: dict<any>): string
  const whose = item.names->join(', ')
  const notes = Count(item.entries, 'note')
  return item.type == 'sessions' ? $'{whose} with {notes}' : $'{notes} of {whose}'
enddef

def Restore(item: dict<any>)
  Request('restore', {id: item.id}, (_) => Say($'brought back {TrashName(item)}'))
enddef

def Undo()
  Request('listTrash', {limit: 1}, (page) => {
    if page.items->empty()
      Say('the trash is empty')
    else
      Restore(page.items[0])
    endif
  })
enddef

def Trash()
  const id = OpenMenu('Bring back', (item) => Restore(item.item))
  Request('listTrash', {limit: MOST}, (page) => FillMenu(id, page.items->mapnew((_, item) => ({
    item: item,
    cells: [TrashName(item), Ago(item.deletedAt), Get(item, 'author')],
  })), 'the trash is empty'), MenuFailed(id))
enddef

def Search(given: string)
  const words = Ask('Tenets search', given, 'Search for: ')
  if words == ''
    return
  endif
  const id = OpenMenu('Found', (item) => {
    const [entry, session] = [Get(item.hit, 'entry', {}), item.hit.session]
    if entry->empty()
      Activate({sessionId: session.id})
    else
      OpenNote(entry)
    endif
  })
  Request('search', {query: words, limit: 200}, (found) =>
    FillMenu(id, found.hits->mapnew((_, hit) => RowOfHit(hit)), $'nothing has: {words}',
      !found.isIncomplete), MenuFailed(id))
enddef

def RowOfHit(hit: dict<any>): dict<any>
  const entry: dict<any> = Get(hit, 'entry', {})
  const name = Get(hit.session, 'name', 'a deleted session')
  return {hit: hit, cells: entry->empty() ? [name, 'session']
    : [OneLine(hit.snippet), name, Ago(entry.createdAt)]}
enddef

def Export(name: string)
  const window = win_getid()
  const Then = (session) => Request('export', session->extend({format: 'markdown'}), (found) =>
    Open(window, 'export', () => {
      new
      setlocal filetype=markdown
      setline(1, found.content->split("\n", true))
      if getline('$') == ''
        silent deletebufline('', line('$'))
      endif
      setlocal nomodified
    }))
  if name == ''
    WithSession((session) => Then({sessionIds: [session.id]}))
  else
    Then({names: [name]})
  endif
enddef

# -- What others did -----------------------------------------------------------------------------

const DEEDS = {
  activated: 'made active',
  bound: 'bound to a folder',
  contextAdded: 'note added',
  contextRemoved: 'note deleted',
  contextUpdated: 'note changed',
  created: 'session created',
  deactivated: 'left',
  deleted: 'session deleted',
  renamed: 'renamed',
  reset: 'all notes deleted',
  restored: 'brought back',
  updated: 'session changed',
}

def Changes()
  const id = OpenMenu('What others did', (item) => {
    if item->has_key('entry')
      OpenNote(item.entry)
    endif
  })
  WithCurrent((_) => ReadChanges(id, seen, []), MenuFailed(id))
enddef

# Read the changes after a state, page by page; the newest of them are listed.
def ReadChanges(id: number, since: string, before: list<dict<any>>)
  Request('changes', {sinceState: since, notAuthor: author, limit: MOST}, (page) => {
    final found = (before + page.changes)[-MOST :]
    if page.truncated
      ReadChanges(id, page.state, found)
      return
    endif
    seen = page.state
    const ids = found->copy()->filter((_, change) => change->has_key('contextId'))
      ->map((_, change) => change.contextId)->sort('n')->uniq()
    if ids->empty()
      ListChanges(id, found, [])
      return
    endif
    Request('listContext', {ids: ids, includeContent: false, limit: MOST},
      (list) => ListChanges(id, found, list.entries), MenuFailed(id))
  }, (problem) => {
    if problem.kind == 'revisionExpired'
      seen = Get(problem, 'state')
      problem.message = 'so much has changed that single changes are not known any more'
    endif
    MenuFailed(id)(problem)
  })
enddef

def ListChanges(id: number, changes: list<dict<any>>, entries: list<any>)
  var known: dict<any> = {}
  for entry in entries
    known[entry.id] = entry
  endfor
  FillMenu(id, changes->reverse()->mapnew((_, change) => {
    const entry: dict<any> = known->get(change->get('contextId', 0), {})
    const who = Get(change, 'author', 'another program')
    const name = Get(change, 'sessionName', FolderName(Get(change, 'folder')))
    final row: dict<any> = {cells: [name, DEEDS->get(change.type, change.type), who]}
    return entry->empty() ? row : row->extend({entry: entry,
      cells: row.cells + [OneLine(entry.preview)]})
  }), 'nothing has changed')
enddef

# -- Adding notes --------------------------------------------------------------------------------

# With a key of its own a note can be sent again, and is kept once.
def NewKey(): string
  return $'vim-{localtime()}-{getpid()}-{rand()}'
enddef

# Add a note to a session; without a name to the current one.
def AddNote(session: string, note: dict<any>)
  final params: dict<any> = session != '' ? {sessionName: session}
    : current->empty() ? {folder: Folder()} : {sessionId: current.id}
  params->extend(note)->extend({identityKey: NewKey()})
  Request('addContext', params, (entry) => {
    const what = entry.kind == 'note' ? 'a note' : 'the lines'
    const new = Get(entry, 'sessionCreated', false) ? 'the new session ' : ''
    Say($'added {what} to {new}{Get(entry, "sessionName")}')
  }, (problem) => Fail(problem.kind != 'sessionNotFound' ? $'not added: {problem.message}'
    : 'not added: no session; after :Tenets switch NAME, give the command again'))
enddef

# Add a note to the current session; with a range, at these lines.
def Note(given: string, range: list<number>)
  if given == '' && range->empty() && views->has_key(bufnr())
    BeginNote()
    return
  endif
  const text = Ask(range->join(',') .. 'Tenets note', given, 'Note: ')
  if text == ''
    return
  elseif range->empty()
    AddNote('', {kind: 'note', content: text})
  else
    AddLines('', range[0], range[1], text)
  endif
enddef

def IsFile(buffer: number): bool
  const name = bufname(buffer)
  return name != '' && getbufvar(buffer, '&buftype') == '' && name !~ '^\a\+://'
enddef

def BufferUri(buffer: number): string
  return Uri(bufname(buffer)->fnamemodify(':p'))
enddef

# The lines of a buffer as the server counts them: a carriage return ends a line there, and Vim has
# a line feed for a NUL.
def TextLines(buffer: number): list<string>
  final lines = getbufline(buffer, 1, '$')
  const text = lines->join("\n") # which is searched faster
  const isPlain = stridx(text, "\r") < 0 && count(text, "\n") < len(lines)
  return isPlain ? lines : lines->map((_, line) => tr(line, "\n\r", '  '))
enddef

# Where some lines are, for a text that the server cannot read.
def AnchorOf(text: list<string>, first: number, last: number): dict<any>
  # White space is collapsed, as Python knows it: in all lines at once, which is faster.
  const space =
    '[\x09\x0b-\x0d\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]\+'
  # The last line is the text after the last line end.
  const lines = (text + [''])->join("\n")->substitute(space, ' ', 'g')->split("\n", true)
    ->map((_, line) => line->trim(' ')->strcharpart(0, 500))
  const quote = lines->slice(first - 1, [last, first + 19]->min())
  const size = len(quote)
  const places = range(len(lines) - size + 1)
    ->filter((_, place) => lines->slice(place, place + size) == quote)
  return {quote: quote->join("\n"), before: lines->slice([first - 4, 0]->max(), first - 1),
    after: lines->slice(last, last + 3), occurrences: len(places)}
enddef

# Add lines to a session, with their place: as they are, or as a note about them.
def AddLines(session: string, first: number, last: number, note: string)
  const buffer = bufnr()
  const lines = getline(first, last)
  if lines->join('') =~ '^\s*$'
    Fail('the lines are blank')
    return
  elseif match(lines, '\n') >= 0
    Fail('the lines have NUL bytes, which cannot be sent')
    return
  endif
  const text = lines->join("\n") .. "\n"
  final params: dict<any> = note == '' ? {kind: 'code', content: text}
    : {kind: 'note', content: note}
  if IsFile(buffer)
    params.location = {uri: BufferUri(buffer), range: {
      start: {line: first - 1, character: 0}, end: {line: last, character: 0}}}
    if &modified || !filereadable(bufname())
      params.location.anchor = AnchorOf(TextLines(buffer), first, last)
    endif
  elseif note != ''
    # Nobody finds these lines elsewhere.
    params.content ..= "\n\n" .. Fenced(text, &filetype)
  endif
  AddNote(session, params)
enddef

export def Add(first: number, last: number, session: string)
  AddLines(session->trim(), first, last, '')
enddef

# A text as a code block, which it does not end.
def Fenced(text: string, language: string): string
  var fence = '```'
  while stridx(text, fence) >= 0
    fence ..= '`'
  endwhile
  return $"{fence}{language}\n{text}{fence}"
enddef

# -- Notes as a buffer ---------------------------------------------------------------------------

# What each notes buffer shows, by its number:
# - name and id of the session; the id is 0 while there is no session of the name
# - notes, in the order of the buffer; others: how many older ones there are, -1 if nobody knows
# - headings: the notes' ids by their lines; 0: the line of a new note, -1: that of older notes
# - rule: the line of a new note
# - also: ids that are shown though they are older; target: the note to go to, or 0
# - places: of the cursors before :edit
# - added: texts of new notes that are written, while other notes could not be
# - isFilled, isReading, isStale (something has changed since), isWriting, isGone (was deleted)
# A note has its id, state (as of reading), kind, location, heading, head (what is between the rules
# of the heading), text (without the line ends at its end), tail (those), and isWhole: whether Vim
# has all of the text.
var views: dict<dict<any>> = {}

def OpenNotes(name: string, target = 0, mods = '')
  const open = views->copy()->filter((_, view) => view.name ==# name)->keys()
  const buffer = open->empty() ? bufadd(NOTES .. name) : str2nr(open[0])
  setbufvar(buffer, '&buflisted', true)
  final view = ViewOf(buffer)
  view.target = target
  if view.isGone
    view.id = 0 # there may be another session of that name
  endif
  if bufloaded(buffer)
    ReadNotes(buffer)
  endif
  if bufwinid(buffer) > 0
    win_gotoid(bufwinid(buffer))
  else
    execute mods 'sbuffer' buffer
  endif
  if view.notes->copy()->filter((_, note) => note.id == target)->len() > 0
    GoToNote(buffer, target)
  endif
enddef

def OpenNote(entry: dict<any>)
  const name = Get(entry, 'sessionName')
  if name == ''
    Fail('this note is of a session that was deleted')
  else
    OpenNotes(name, entry.id)
  endif
enddef

def Notes(name: string, mods: string)
  if name != ''
    OpenNotes(name, 0, mods)
  elseif !current->empty()
    OpenNotes(current.name, 0, mods)
  else
    const window = win_getid()
    WithSession((session) => Open(window, 'notes', () => OpenNotes(session.name, 0, mods)))
  endif
enddef

def ViewOf(buffer: number): dict<any>
  if !views->has_key(buffer)
    views[buffer] = {name: bufname(buffer)->strpart(strlen(NOTES)), id: 0, notes: [], headings: {},
      rule: '──', also: [], target: 0, places: [], added: [], others: 0, isFilled: false,
      isReading: false, isStale: false, isWriting: false, isGone: false}
  endif
  return views[buffer]
enddef

# BufReadCmd: shows what is known, and reads.
export def ReadCmd(buffer: number)
  setlocal buftype=acwrite noswapfile nomodeline filetype=markdown
  if exists('g:syntax_on')
    syntax match tenetsHeading /^──\+\%( .* ──\+\)\?$/ containedin=ALL
    highlight default link tenetsHeading Title
  endif
  nnoremap <buffer> <CR> <ScriptCmd>Guarded(GoToPlace)<CR>
  final view = ViewOf(buffer)
  if view.isFilled
    const places = view.places
    ShowNotes(buffer)
    view.places = places # for what is read now
  else
    setlocal nomodifiable
  endif
  ReadNotes(buffer)
enddef

# BufUnload: the cursors are where they were when :edit has read again.
export def RememberPlaces(buffer: number)
  if views->has_key(buffer)
    views[buffer].places = PlacesOf(buffer)
  endif
enddef

export def Forget(buffer: number)
  if views->has_key(buffer)
    views->remove(buffer)
  endif
enddef

# Read the notes of a session anew. A buffer that the user has changed stays as it is.
def ReadNotes(buffer: number)
  if !bufloaded(buffer)
    return
  endif
  final view = views[buffer]
  view.isStale = view.isReading
  if view.isReading
    return
  endif
  view.isReading = true
  Request('listContext', SessionOf(view)->extend({order: 'newest', limit: MOST_NOTES}),
    (page) => ReadAlso(buffer, page), (problem) => ReadFailed(buffer, problem))
enddef

def SessionOf(view: dict<any>): dict<any>
  return view.id > 0 ? {sessionId: view.id} : {sessionName: view.name}
enddef

# Read the notes that are shown though they are older, and count the others.
def ReadAlso(buffer: number, page: dict<any>)
  if !views->has_key(buffer)
    return
  endif
  final view = views[buffer]
  const ids = page.entries->mapnew((_, entry) => entry.id)
  const entries = page.entries->reverse()->map((_, entry) => entry->extend({state: page.state}))
  if view.target > 0 && ids->index(view.target) < 0 && view.also->index(view.target) < 0
    view.also->add(view.target)
  endif
  const also = view.also->copy()->filter((_, id) => ids->index(id) < 0)
  if entries->empty() && view.id == 0
    # Without a note, too, the buffer follows its session by its id.
    Request('get', {name: view.name, includeMetadata: false}, (session) => {
      view.id = type(session) == v:t_dict ? session.id : 0
    }, Ignore)
  endif
  if Get(page, 'nextCursor') == ''
    TakeNotes(buffer, entries, 0)
    return
  endif
  const Then = (older) => Request('list', {namePrefix: view.name, includeContextCount: true,
    includeMetadata: false, limit: MOST}, (list) => {
      const same = list.sessions->filter((_, session) => session.name ==# view.name)
      # Where it is not among them, nobody knows how many there are.
      const all = same->empty() ? 0 : same[0].contextCount
      TakeNotes(buffer, older + entries, all - len(older) - len(entries))
    }, (problem) => ReadFailed(buffer, problem))
  if also->empty()
    Then([])
  else
    Request('listContext', SessionOf(view)->extend({ids: also, limit: MOST}), (list) =>
      Then(list.entries->map((_, entry) => entry->extend({state: list.state}))),
      (problem) => ReadFailed(buffer, problem))
  endif
enddef

def ReadFailed(buffer: number, problem: dict<any>)
  if !views->has_key(buffer)
    return
  endif
  final view = views[buffer]
  view.isReading = false
  if problem.kind == 'sessionNotFound' && view.id == 0
    if !view.isFilled || view.isGone
      Say($'{view.name} is new; :w creates it with its first note')
    endif
    TakeNotes(buffer, [], 0)
  elseif problem.kind == 'sessionNotFound'
    if !view.isGone
      Warn($'{view.name} was deleted; :Tenets undo brings it back')
    endif
    view.isGone = true
  else
    Complain(problem) # after a lost connection it is read again
  endif
enddef

# Show the notes that were read; `others` is the number of older ones, -1 if it is not known.
def TakeNotes(buffer: number, entries: list<dict<any>>, others: number)
  if !views->has_key(buffer)
    return
  endif
  final view = views[buffer]
  view.isReading = false
  view.isGone = false
  if view.isStale
    ReadNotes(buffer)
  endif
  if getbufvar(buffer, '&modified') || view.isWriting || !bufloaded(buffer)
    return
  endif
  if !entries->empty()
    view.id = entries[0].sessionId
    view.name = Get(entries[0], 'sessionName', view.name)
    Rename(buffer)
  endif
  view.notes = entries->mapnew((_, entry) => NoteOf(entry))
  view.others = others
  view.added = []
  const isFirst = !view.isFilled
  view.isFilled = true
  ShowNotes(buffer)
  if view.target > 0
    GoToNote(buffer, view.target)
  elseif isFirst
    GoToLine(buffer, '$', 'zb')
  endif
  view.target = 0
enddef

def NoteOf(entry: dict<any>): dict<any>
  const content: string = Get(entry, 'content')
  # Vim cannot hold a NUL; and what is too large is not in a list.
  const isWhole = entry->has_key('content') && strlen(content) == entry.size
  const text = isWhole ? content->trim("\n", 2)
    : $'(not to be edited here: {entry.size} bytes; tenets-session show --id {entry.id} has them)'
  return {id: entry.id, state: entry.state, kind: entry.kind, text: text,
    tail: isWhole ? content->strpart(strlen(text)) : '', isWhole: isWhole,
    location: Get(entry, 'location', {}), head: HeadOf(entry)}
enddef

# What is in a heading between its rules.
def HeadOf(entry: dict<any>): string
  const location: dict<any> = Get(entry, 'location', {})
  const range: dict<any> = Get(location, 'range', {})
  const file = location->empty() ? '' : (PathOf(location.uri) ?? location.uri)->fnamemodify(':t')
  const place = range->empty() ? file : $'{file}:{range.start.line + 1}'
  const time = strftime('%Y-%m-%d %H:%M', Seconds(entry.createdAt))
  return [string(entry.id), entry.kind, Get(entry, 'author'), time, place]
    ->map((_, part) => OneLine(part))->filter((_, part) => part != '')->join(' · ')
enddef

# Put the notes into their buffer. The cursors stay on their notes.
def ShowNotes(buffer: number)
  final view = views[buffer]
  const places = view.places ?? PlacesOf(buffer)
  final texts = view.notes->mapnew((_, note) => note.text->split("\n", true))
  # A heading is a line that is in no text.
  view.rule = '──'
  SetHeadings(view)
  while texts->flattennew()->filter((_, line) => view.headings->has_key(line))->len() > 0
    view.rule ..= '─'
    SetHeadings(view)
  endwhile
  var lines: list<string> = view.headings->copy()->filter((_, id) => id == -1)->keys()
  if !lines->empty()
    lines->add('')
  endif
  for index in range(len(texts))
    lines->add(view.notes[index].heading)->extend(texts[index])->add('')
  endfor
  lines->add(view.rule)
  if getbufline(buffer, 1, '$') == lines && view.places->empty()
    return
  endif
  view.places = []
  # Undo must not bring back texts that others have changed.
  const levels = getbufvar(buffer, '&undolevels')
  setbufvar(buffer, '&undolevels', -1)
  setbufvar(buffer, '&modifiable', true)
  setbufline(buffer, 1, lines)
  silent deletebufline(buffer, len(lines) + 1, '$')
  setbufvar(buffer, '&undolevels', levels)
  setbufvar(buffer, '&modified', false)
  for place in places
    Return(buffer, place)
  endfor
enddef

def SetHeadings(view: dict<any>)
  const rule = view.rule
  view.headings = {[rule]: 0}
  if view.others != 0
    const older = view.others < 0 ? 'older notes' : Count(view.others, 'older note')
    view.headings[$'{rule} {older} not shown {rule}'] = -1
  endif
  for note in view.notes
    note.heading = $'{rule} {note.head} {rule}'
    view.headings[note.heading] = note.id
  endfor
enddef

# Where the cursors are: the note, and how far below its heading.
def PlacesOf(buffer: number): list<dict<any>>
  return win_findbuf(buffer)->mapnew((_, window) => {
    const [_, line, column; _] = getcurpos(window)
    const [above, id] = HeadingAbove(buffer, line)
    return {window: window, id: id, offset: line - above, column: column - 1,
      row: line - getwininfo(window)[0].topline}
  })
enddef

# The line of the heading that a line is below, and its id.
def HeadingAbove(buffer: number, line: number): list<number>
  const headings = views[buffer].headings
  const lines = getbufline(buffer, 1, line)
  var above = len(lines) - 1
  while above > 0 && !headings->has_key(lines[above])
    above -= 1
  endwhile
  return [above + 1, headings->get(lines->get(above, ''), 0)]
enddef

def Return(buffer: number, place: dict<any>)
  final view = views[buffer]
  final ids = view.notes->mapnew((_, note) => note.id)
  # Where the note is gone, go to the one that follows.
  const next = ids->index(place.id) >= 0 || place.id <= 0 ? place.id
    : ids->copy()->filter((_, id) => id > place.id)->get(0, 0)
  const [first, last] = LinesOf(buffer, next)
  const line = [next == place.id ? [first + place.offset, last]->min() : first, 1]->max()
  # On the same row of the screen, if the lines above are enough to fill it.
  const full = line('$', place.window) - winheight(place.window) + 1
  const top = [[line - place.row, full]->min(), 1]->max()
  win_execute(place.window,
    $'call winrestview({string({lnum: line, col: place.column, topline: top})})')
enddef

# The first and the last line of a note; 0 where it is not there.
def LinesOf(buffer: number, id: number): list<number>
  const lines = getbufline(buffer, 1, '$')
  const headings = views[buffer].headings
  const first = lines->copy()->map((_, line) => headings->get(line, -2))->index(id)
  var last = first + 1
  while last < len(lines) && !headings->has_key(lines[last])
    last += 1
  endwhile
  return first < 0 ? [0, 0] : [first + 1, last]
enddef

def GoToNote(buffer: number, id: number)
  const line = LinesOf(buffer, id)[0]
  if line > 0
    GoToLine(buffer, string(line), 'zt')
  else
    Warn($'note {id} is not in this session any more')
  endif
enddef

def GoToLine(buffer: number, line: string, scroll: string)
  for window in win_findbuf(buffer)
    win_execute(window, $':{line}')
    win_execute(window, $'normal! {scroll}')
  endfor
enddef

# The parts of a buffer: the id of a heading, and the text below it. -2: above the first heading.
def PartsOf(buffer: number): list<dict<any>>
  const headings = views[buffer].headings
  var parts: list<dict<any>> = [{id: -2, lines: []}]
  for line in getbufline(buffer, 1, '$')
    if headings->has_key(line)
      parts->add({id: headings[line], lines: []})
    else
      parts[-1].lines->add(line)
    endif
  endfor
  # The blank lines at the end are the distance to the next heading.
  return parts->map((_, part) => ({id: part.id,
    text: part.lines->join("\n")->trim("\n", 2)}))
enddef

# What a buffer would change: lists of requests. Raises why that cannot be.
def ChangesOf(buffer: number, isForced: bool): list<dict<any>>
  final view = views[buffer]
  const lines = getbufline(buffer, 1, '$')
  if count(lines->join("\n"), "\n") >= len(lines)
    throw 'tenets: a note cannot have NUL bytes'
  endif
  const parts = PartsOf(buffer)
  var texts: dict<string> = {}
  var requests: list<dict<any>> = []
  for part in parts
    if part.id < 0 && part.text != ''
      throw $'tenets: the text at the top is of no note; move it below a line {view.rule}'
    elseif part.id > 0 && texts->has_key(part.id)
      throw $'tenets: note {part.id} is there twice; give one the heading {view.rule}'
    elseif part.id > 0
      texts[part.id] = part.text
    elseif part.id == 0 && part.text != ''
      const text = part.text->trim("\n", 1)
      requests->add({verb: 'addContext', note: {},
        params: SessionOf(view)->extend({kind: 'note', content: text})})
    endif
  endfor
  for note in view.notes
    const ifState = isForced ? {} : {ifState: note.state}
    if !texts->has_key(note.id)
      if !isForced && note.text != '' && Occurrences(note.text, parts)
          >= Occurrences(note.text, view.notes)
        throw $'tenets: note {note.id} has lost its heading, but not its text (:w! joins them)'
      endif
      requests->add({verb: 'removeContext', note: note, params: {id: note.id}->extend(ifState)})
    elseif texts[note.id] !=# note.text
      if !note.isWhole
        throw $'tenets: note {note.id} cannot be changed here'
      endif
      requests->add({verb: 'updateContext', note: note, text: texts[note.id],
        params: {id: note.id, content: texts[note.id] .. note.tail}->extend(ifState)})
    endif
  endfor
  return requests
enddef

# How often a text of whole lines occurs in the texts of notes.
def Occurrences(text: string, notes: list<dict<any>>): number
  const counts = notes->mapnew((_, note) => count($"\n{note.text}\n", $"\n{text}\n"))
  return counts->reduce((sum, one) => sum + one, 0)
enddef

# BufWriteCmd: writes what differs from what was read.
export def WriteCmd(buffer: number, isForced: bool)
  final view = ViewOf(buffer)
  var requests: list<dict<any>>
  if view.isWriting || !view.isFilled
    Fail('still waiting for the server')
    return
  endif
  try
    requests = ChangesOf(buffer, isForced)
  catch /^tenets: /
    Fail(v:exception->substitute('^tenets: ', '', ''))
    return
  endtry
  view.isWriting = true
  final writing = {tick: getbufvar(buffer, 'changedtick'), left: len(requests), isForced: isForced,
    counts: {updateContext: 0, addContext: 0, removeContext: 0}, problems: []}
  for request in requests
    WriteOne(buffer, view, writing, request)
  endfor
  if requests->empty()
    WriteDone(buffer, writing)
  endif
  # So that :wq finds the buffer written, as usual.
  Wait(SHORT_WAIT, () => !view.isWriting)
  if view.isWriting
    Say('no reply yet; the notes are written when it comes')
  endif
enddef

def WriteOne(buffer: number, view: dict<any>, writing: dict<any>, request: dict<any>)
  const note = request.note
  const Done = (problem) => {
    if problem != ''
      writing.problems->add(problem)
    endif
    writing.left -= 1
    if writing.left == 0
      WriteDone(buffer, writing)
    endif
  }
  const Written = (result) => {
    writing.counts[request.verb] += 1
    TakeWritten(view, request, result)
    Done('')
  }
  if request.verb == 'addContext'
    if view.added->index(request.params.content) >= 0
      Done('') # it was written before
      return
    endif
    request.params.identityKey = NewKey()
  endif
  Request(request.verb, request.params, Written, (problem) => {
    const how = request.verb == 'removeContext' ? 'deletes' : 'overwrites'
    const changed = $'note {note->get("id")} was changed elsewhere; :w! {how} it, :e! shows theirs'
    if problem.kind == 'sessionNotFound' || view.isGone
      Done($'not written: {view.name} was deleted; after :Tenets undo, write again')
    elseif problem.kind == 'conflict' && request.verb == 'updateContext'
      # It may be what an earlier :write has written, whose reply was lost.
      Request('getContext', {id: note.id}, (found) => {
        if type(found) == v:t_dict && Get(found, 'content') ==# request.params.content
          Written(found)
        else
          Done(changed)
        endif
      }, (other) => Done(other.message))
    elseif problem.kind == 'conflict'
      Done(changed)
    elseif problem.kind == 'contextNotFound' && writing.isForced
      final params = SessionOf(view)->extend({kind: note.kind,
        content: request.params.content, identityKey: NewKey()})
      Request('addContext', note.location->empty() ? params
        : params->extend({location: note.location}), Written, (other) => Done(other.message))
    elseif problem.kind == 'contextNotFound'
      Done($'note {note.id} was deleted elsewhere; :w! adds it anew, :e! drops it')
    else
      Done($'not written: {problem.message}')
    endif
  })
enddef

def TakeWritten(view: dict<any>, request: dict<any>, result: dict<any>)
  if request.verb == 'updateContext'
    request.note.text = request.text
    request.note.state = result.state
  elseif request.verb == 'removeContext'
    view.notes->filter((_, note) => note isnot request.note)
  else
    view.id = result.sessionId
    view.added->add(request.params.content)
  endif
enddef

def WriteDone(buffer: number, writing: dict<any>)
  if !views->has_key(buffer)
    return
  endif
  final view = views[buffer]
  view.isWriting = false
  if !writing.problems->empty()
    const more = len(writing.problems) - 1
    Fail(writing.problems[0] .. (more > 0 ? $' (and {more} more)' : ''))
    return
  endif
  if getbufvar(buffer, 'changedtick') == writing.tick
    setbufvar(buffer, '&modified', false)
  endif
  ReadNotes(buffer)
  const counts = writing.counts
  const removed = counts.removeContext
  const done = [[counts.updateContext, 'changed'], [counts.addContext, 'added'],
    [removed, 'deleted']]->filter((_, one) => one[0] > 0)
    ->mapnew((_, one) => one->join())->join(', ') ?? 'nothing to write'
  const how = removed == 0 ? '' : removed == 1 ? '; :Tenets undo brings it back'
    : '; each :Tenets undo brings one back'
  Say($'notes of {view.name}: {done}{how}')
enddef

# Follow what happened to the sessions that are in buffers.
def FollowNotes(changes: list<dict<any>>)
  for [key, view] in views->items()
    const own = changes->copy()->filter((_, change) => Get(change, 'sessionId', 0) == view.id
      || view.id == 0 && Get(change, 'sessionName') ==# view.name)
    if own->empty()
      continue
    endif
    const buffer = str2nr(key)
    for change in own
      if change.type == 'renamed'
        view.name = change.sessionName
        Rename(buffer)
      endif
    endfor
    ReadNotes(buffer)
  endfor
enddef

# Give a buffer the name that its session has now; a hidden one gets it when it is shown.
export def Rename(buffer: number)
  const before = bufname(buffer)
  const name = NOTES .. ViewOf(buffer).name
  const windows = win_findbuf(buffer)
  if before ==# name || windows->empty() || bufexists(name)
    return
  endif
  win_execute(windows[0], $'silent noautocmd keepalt file {fnameescape(name)}')
  for info in getbufinfo()
    if info.name ==# before # Vim has made a buffer that has the name before
      execute 'silent bwipeout' info.bufnr
    endif
  endfor
enddef

# Begin a new note at the end of this notes buffer.
def BeginNote()
  if !&modifiable
    Fail('still waiting for the server')
    return
  endif
  const rule = ViewOf(bufnr()).rule
  if getline(prevnonblank('$')) !=# rule
    append('$', ['', rule])
  endif
  append('$', '')
  cursor('$', 1)
  startinsert
enddef

# <CR> in a notes buffer: to the place of the note under the cursor.
def GoToPlace()
  final view = ViewOf(bufnr())
  const id = HeadingAbove(bufnr(), line('.'))[1]
  const note = view.notes->copy()->filter((_, one) => one.id == id)->get(0, {})
  const location: dict<any> = note->get('location', {})
  const path = location->empty() ? '' : PathOf(location.uri)
  if path == ''
    Fail(note->empty() ? 'there is no note here' : $'note {id} has no place on this machine')
    return
  endif
  const range: dict<any> = Get(location, 'range', {})
  GoToFile(path, range->empty() ? 1 : range.start.line + 1)
  if range->empty()
    return
  endif
  const there = bufnr()
  const before = line('.')
  Locate(there, (found) => {
    const now = found->copy()->filter((_, one) => one.entry.id == id)->get(0, {})
    if bufnr() != there || line('.') != before
      # the user has gone on
      return
    elseif now->get('line', 0) > 0
      cursor(now.line, 1)
      normal! zv
    else
      Warn($'note {id}: its lines are not there any more; it was line {range.start.line + 1}')
    endif
  }, Complain)
enddef

# Show a file beside the notes: in its window, in the one before, or in a new one.
def GoToFile(path: string, line: number)
  const buffer = bufadd(path)
  setbufvar(buffer, '&buflisted', true)
  const previous = win_getid(winnr('#'))
  if bufwinid(buffer) > 0
    win_gotoid(bufwinid(buffer))
  elseif previous > 0 && getwinvar(previous, '&buftype') == ''
      && (&hidden || !getwinvar(previous, '&modified'))
    win_gotoid(previous)
    execute 'buffer' buffer
  else
    execute 'sbuffer' buffer
  endif
  normal! m'
  cursor(line, 1)
  normal! zv
enddef

# -- Notes at their lines ------------------------------------------------------------------------

def SessionName(entry: dict<any>): string
  return Get(entry, 'sessionName', 'a deleted session')
enddef

# Find the notes of a file in its buffer: entry, and line (0: lost, or of the whole file).
def Locate(buffer: number, Then: func, Failed: func)
  const uri = BufferUri(buffer)
  final query = {uri: uri, includeContent: false, order: 'newest', limit: MOST}
  Request('listContext', query, (page) => {
    const entries = page.entries->reverse()
    if entries->empty() || !bufloaded(buffer)
      Then([])
      return
    endif
    Request('locate', {uri: uri, text: TextLines(buffer)->join("\n") .. "\n"}, (found) => {
      var lines: dict<number> = {}
      for one in found.placed
        lines[one.id] = one.range.start.line + 1
      endfor
      Then(entries->mapnew((_, entry) => ({entry: entry, line: lines->get(entry.id, 0)})))
    }, (problem) => {
      if problem.kind == 'limitExceeded' # a text that is too large
        Then(entries->mapnew((_, entry) => ({entry: entry, line: 0})))
      else
        Failed(problem)
      endif
    })
  }, Failed)
enddef

# The notes of the current file, as the location list of its window.
def File()
  const buffer = bufnr()
  const window = win_getid()
  if !IsFile(buffer)
    Fail('this buffer is of no file')
    return
  endif
  Locate(buffer, (found) => {
    if found->empty()
      Say('no notes of this file')
      return
    endif
    final items = found->mapnew((_, one) => {
      const entry = one.entry
      const range: dict<any> = Get(Get(entry, 'location', {}), 'range', {})
      const was = one.line > 0 || range->empty() ? '' : $' (was line {range.start.line + 1})'
      return {bufnr: buffer, lnum: one.line, text: OneLine(entry.preview) .. was
        .. ' · ' .. SessionName(entry)}
    })
    const Order = (item) => item.lnum > 0 ? item.lnum : 0x7fffffff
    items->sort((one, other) => Order(one) - Order(other))
    setloclist(window, [], ' ', {title: 'Notes of this file', items: items})
    Open(window, ':lopen', () => execute($'lopen {[len(items), 10]->min()}'))
  }, Complain)
enddef

# With g:tenets_signs: the first line of each note behind its line. Text properties move with edits.
var marking = 0 # a timer

# Soon, so that there is one time for a burst of changes.
def MarkAll()
  timer_stop(marking)
  marking = timer_start(50, (_) => MarkNow())
enddef

def MarkNow()
  if get(g:, 'tenets_signs', 0)
    for buffer in getwininfo()->mapnew((_, info) => info.bufnr)->sort('n')->uniq()
      Mark(buffer)
    endfor
  endif
enddef

export def Mark(buffer: number)
  if !get(g:, 'tenets_signs', 0) || !has('patch-9.0.0121') || !IsFile(buffer)
    return
  endif
  const tick = getbufvar(buffer, 'changedtick')
  Locate(buffer, (found) => {
    if !bufloaded(buffer)
      return
    elseif getbufvar(buffer, 'changedtick') != tick
      timer_start(200, (_) => Mark(buffer)) # these lines are of the text before
      return
    endif
    if prop_type_get('tenetsNote')->empty()
      highlight default link tenetsNote Comment
      prop_type_add('tenetsNote', {highlight: 'tenetsNote'})
    endif
    prop_remove({type: 'tenetsNote', bufnr: buffer, all: true})
    for one in found
      if one.line > 0
        const entry = one.entry
        prop_add(one.line, 0, {type: 'tenetsNote', bufnr: buffer,
          text: '  ✎ ' .. Short(OneLine(entry.preview), 40) .. ' · ' .. SessionName(entry)})
      endif
    endfor
  }, Ignore)
enddef

# -- Commands ------------------------------------------------------------------------------------

# What each verb does: with the argument, the range (empty, or the first and the last line), and
# modifiers such as :tab.
const VERBS: dict<func> = {
  bind: (name, _, _) => Bind(name),
  changes: (_, _, _) => Changes(),
  copy: (name, _, _) => NameIt('copy', name, 'copied %s to %s'),
  create: (name, _, _) => Create(name),
  delete: (name, _, _) => Delete(name),
  exit: (name, _, _) => Exit(name),
  export: (name, _, _) => Export(name),
  file: (_, _, _) => File(),
  note: (text, range, _) => Note(text, range),
  notes: (name, _, mods) => Notes(name, mods),
  rename: (name, _, _) => NameIt('rename', name, 'renamed %s to %s'),
  search: (words, _, _) => Search(words),
  switch: (name, _, _) => Switch(name),
  trash: (_, _, _) => Trash(),
  unbind: (_, _, _) => Unbind(),
  undo: (_, _, _) => Undo(),
}
# Those whose argument is the name of a session.
const WITH_SESSION = ['bind', 'delete', 'exit', 'export', 'notes', 'switch']

# The argument is everything after the verb: names may have spaces, bars and quotes.
export def Run(range: list<number>, mods: string, line: string)
  const [_, verb, argument; _] = line->matchlist('^\s*\(\S*\)\s*\(\_.\{-}\)\s*$')
  if verb == ''
    SayCurrent()
  elseif VERBS->has_key(verb)
    Guarded(() => VERBS[verb](argument, range, mods))
  else
    Fail($'there is no :Tenets {verb}; see :help tenets-commands')
  endif
enddef

# Vim replaces only `lead`, the last word: of a name with spaces this returns the part from it on.
export def Complete(lead: string, line: string, position: number): list<string>
  var [_, command, name; _] = line->strpart(0, position)->matchlist('\<\(Tenets\a*\)\s\+\(.*\)$')
  if command ==# 'Tenets'
    const verb = name->matchstr('^\S\+\ze\s')
    if verb == ''
      return VERBS->keys()->sort()->filter((_, one) => stridx(one, lead) == 0)
    elseif WITH_SESSION->index(verb) < 0
      return []
    endif
    name = name->substitute('^\S\+\s\+', '', '')
  endif
  return NamesWith(name)->map((_, one) => one->strpart(strlen(name) - strlen(lead)))
enddef

var known_names: list<string> = []

# The names of sessions that begin so: of those that were known, if there is no reply in time.
def NamesWith(beginning: string): list<string>
  const start = reltime()
  Start()
  Wait(SHORT_WAIT, () => server->get('isReady', false) || server->empty())
  const left = SHORT_WAIT - float2nr(start->reltime()->reltimefloat() * 1000)
  if server->get('isReady', false) && left > 0
    try
      const reply = ch_evalexpr(server.channel, {method: 'tenets/session.list', params: {order:
        'recent', limit: MOST, includeMetadata: false, namePrefix: beginning}}, {timeout: left})
      known_names = reply.result.sessions->mapnew((_, session) => session.name)
    catch /^Vim\%((\S\+)\)\?:E\%(630\|631\|716\|906\):/ # no connection, or no reply in time
    endtry
  endif
  return known_names->copy()->filter((_, one) => stridx(one, beginning) == 0)
enddef

augroup tenets_window
  autocmd!
  autocmd DirChanged,WinEnter,TabEnter * FollowFolder()
  autocmd VimLeavePre * Leave()
augroup END
