" Work sessions that every editor on the machine shares, through tenets-session-server.
"
" Help:     :help tenets
" Version:  0.1.0
" License:  MIT

if v:version < 900 || has('nvim') || !has('channel') || !has('job') || !has('popupwin')
  if !has('nvim')
    command! -nargs=* -range Tenets echomsg 'tenets: needs Vim 9.0 with +channel, +job, +popupwin'
    command! -nargs=* -range TenetsAdd Tenets
    function! TenetsStatusline() abort
      return ''
    endfunction
  endif
  finish
endif

vim9script noclear
if exists('g:loaded_tenets')
  finish
endif
g:loaded_tenets = 1

command -nargs=* -range -complete=customlist,tenets#Complete Tenets
  \ tenets#Run(<range> > 0 ? [<line1>, <line2>] : [], <q-mods>, <q-args>)
command -nargs=* -range -complete=customlist,tenets#Complete TenetsAdd
  \ tenets#Add(<line1>, <line2>, <q-args>)

# For 'statusline': "tenets: NAME", "" if there is no session, or "tenets: disconnected". The first
# call starts the server, but not while Vim draws.
var is_wanted = false
var is_loaded = false
def g:TenetsStatusline(): string
  if !is_wanted
    is_wanted = true
    timer_start(0, (_) => {
      is_loaded = true
      tenets#Start()
    })
  endif
  return is_loaded ? tenets#Statusline() : ''
enddef

augroup tenets
  autocmd!
  # :mksession brings a notes buffer back by its name.
  autocmd BufReadCmd,BufFilePost tenets://notes/* tenets#ReadCmd(expand('<abuf>')->str2nr())
  autocmd BufWriteCmd tenets://notes/* tenets#WriteCmd(expand('<abuf>')->str2nr(), v:cmdbang)
  autocmd BufWinEnter tenets://notes/* tenets#Rename(expand('<abuf>')->str2nr())
  autocmd BufUnload tenets://notes/* tenets#RememberPlaces(expand('<abuf>')->str2nr())
  autocmd BufWipeout tenets://notes/* tenets#Forget(expand('<abuf>')->str2nr())
  autocmd BufWinEnter,BufWritePost * {
    if get(g:, 'tenets_signs', 0)
      tenets#Mark(expand('<abuf>')->str2nr())
    endif
  }
augroup END
