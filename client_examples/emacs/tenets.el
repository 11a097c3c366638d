;;; tenets.el --- Work sessions of all editors  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The tenets-session-server authors

;; Author: The tenets-session-server authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: convenience, tools
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; A session keeps your notes and code while you work on one thing.  All editors
;; of this machine show the same one: Emacs, VS Code, Neovim, the command line.
;; Switch it anywhere, and every editor follows at once.  This package needs
;; `tenets-session-server' on the PATH, or named by `tenets-server-command'.
;;
;; `tenets-mode' shows the current session in the mode line:
;;
;;     [tenets: fix login]      this session is current here
;;     [tenets: no session]     none is
;;     [tenets: disconnected]   there is no server; it is started again
;;     [tenets: unavailable]    the server cannot use its database
;;
;; A session is current because it is active, which it is for all editors; or
;; because it is bound to the directory of the buffer or to one above it.
;;
;; Bind `tenets-command-map' to a prefix, for example
;;
;;     (global-set-key (kbd "C-c t") 'tenets-command-map)
;;
;; and these commands are behind it.  They also work while `tenets-mode' is off:
;;
;;     s `tenets-switch'      make a session active; a new name creates it
;;     c `tenets-create'      create a session, and make it active
;;     x `tenets-exit'        leave the active session
;;     i `tenets-status'      say which session is current, and why
;;     n `tenets-note'        add a note; with C-u, in a buffer
;;     a `tenets-add-region'  add the lines of the region, or the line
;;     l `tenets-notes'       the notes of the session; with C-u, of another one
;;     o `tenets-file-notes'  the notes of this file, at their lines
;;     f `tenets-search'      find notes and sessions as you type
;;     b `tenets-bind'        bind the project, or with C-u a directory
;;     B `tenets-unbind'      let it show the active session again
;;     r `tenets-rename'      rename the current session
;;     w `tenets-copy'        copy it with its notes
;;     k `tenets-delete'      delete a session
;;     u `tenets-undo'        bring back what was deleted last
;;     t `tenets-trash'       choose what to bring back
;;     e `tenets-export'      a session as Markdown
;;     h `tenets-changes'     what others did while you were away
;;
;; In the buffer of notes: n and p move, RET goes to the lines of a note, e
;; edits it, a adds one, d deletes it, u brings it back, s searches, g looks
;; again.  The buffer follows the changes of others.
;;
;; In the buffer of one note: C-c C-c saves and closes, C-x C-s saves, C-c C-k
;; gives up.  If somebody else has changed the note meanwhile, nothing is
;; written and your text stays: C-c C-d compares both, C-c C-o overwrites.
;;
;; No command waits for the server.  A command that lets you choose asks the
;; server first, and waits for at most 0.3 seconds; if the server takes longer,
;; the question comes when the server has answered.  A note that was sent is
;; kept until the server says that it is on disk, even if the server or Emacs
;; ends before.

;;; Code:

(eval-when-compile
  (require 'cl-lib)
  (require 'subr-x))

(defvar json-array-type)
(defvar json-false)
(defvar json-null)
(defvar json-object-type)

(declare-function iso8601-parse "iso8601" (string &optional form))
(declare-function json-encode "json" (object))
(declare-function json-read-from-string "json" (string))
(declare-function project-root "project" (project))
(declare-function xref-make "xref" (summary location))
(declare-function xref-make-bogus-location "xref" (message))
(declare-function xref-make-file-location "xref" (file line column))
(declare-function xref-push-marker-stack "xref" (&optional marker))

(defgroup tenets nil
  "Work sessions shared by every editor."
  :group 'tools
  :prefix "tenets-")

(defcustom tenets-server-command '("tenets-session-server")
  "The session server and its arguments.
A change takes effect when the server is started the next time."
  :type '(repeat string))

(defcustom tenets-changed-functions nil
  "Functions that are called when the current session has changed.
Each gets the name of the session, or nil.  The current session is that
of the selected window."
  :type 'hook)

(defcustom tenets-mode-line-prefix "tenets: "
  "What stands before the name of the session in the mode line."
  :type 'string)

(defcustom tenets-note-major-mode #'text-mode
  "Major mode in which notes are edited, for example `markdown-mode'."
  :type 'function)

(defcustom tenets-notes-count 100
  "Number of notes that a buffer shows at first, and more on request."
  :type 'natnum)

(defcustom tenets-state-file (locate-user-emacs-file "tenets.eld")
  "File that remembers what you have seen when you leave Emacs.
It also keeps notes that the server has not taken until then."
  :type 'file)

(defface tenets-heading '((t :inherit font-lock-keyword-face :weight bold))
  "Face of the first line of a note in the buffer of notes.")

(defface tenets-details '((t :inherit shadow))
  "Face of author, age and place of a note.")

(defface tenets-match '((t :inherit match))
  "Face of the words that a search has found.")

(defface tenets-problem '((t :inherit warning))
  "Face of what is wrong, in the mode line and in header lines.")

;;;; What is said to the user

(defun tenets--say (format &rest arguments)
  "Show a message: FORMAT with ARGUMENTS."
  (message "tenets: %s" (apply #'format format arguments)))

(defun tenets--fail (problem)
  "Show PROBLEM, an error of the server."
  (tenets--say "%s" (plist-get problem :message)))

(defun tenets--get (object &rest members)
  "Return the member of OBJECT that is behind all of MEMBERS, or nil."
  (dolist (member members object)
    (setq object (plist-get object member))))

(defun tenets--kind (problem)
  "Return the kind of PROBLEM, a string, or nil."
  (tenets--get problem :data :kind))

(defun tenets--bidi-end (text)
  "Return what has to follow TEXT, which may end from right to left."
  (substring (bidi-string-mark-left-to-right text) (length text)))

(defun tenets--count (number noun)
  "Return NUMBER and NOUN, which is put into the plural if necessary."
  (format "%d %s%s" number noun (if (eql number 1) "" "s")))

(defun tenets--age (time)
  "Return how long ago TIME was, a string in RFC 3339."
  (require 'iso8601)
  (let ((seconds (- (float-time)
                    (float-time (encode-time (iso8601-parse time))))))
    (catch 'age
      (pcase-dolist (`(,size . ,unit)
                     '((31536000 . "year") (2592000 . "month") (604800 . "week")
                       (86400 . "day") (3600 . "hour") (60 . "minute")))
        (when (>= seconds size)
          (throw 'age
                 (concat (tenets--count (floor seconds size) unit) " ago"))))
      "just now")))

;;;; Files and folders

(defun tenets--uri (file)
  "Return the URI of FILE, an absolute name on this machine."
  (let ((name (encode-coding-string file 'utf-8-unix)))
    (concat "file://" (if (string-prefix-p "/" name) "" "/")
            (replace-regexp-in-string
             "[^-A-Za-z0-9._~/:]"
             (lambda (byte) (format "%%%02X" (string-to-char byte)))
             name t t))))

(defun tenets--file (uri)
  "Return the file name that URI stands for; nil if that is not on this machine.
URI may be an absolute file name."
  (cond ((string-match "\\`file://\\(?:localhost\\)?\\(/.*\\)" uri)
         (let* ((path (match-string 1 uri))
                (bytes (replace-regexp-in-string
                        "%[[:xdigit:]]\\{2\\}"
                        (lambda (code)
                          (unibyte-string
                           (string-to-number (substring code 1) 16)))
                        (encode-coding-string path 'utf-8-unix) t t))
                (name (decode-coding-string bytes 'utf-8-unix)))
           (if (and (memq system-type '(ms-dos windows-nt))
                    (string-match-p "\\`/[A-Za-z]:" name))
               (substring name 1)
             name)))
        ((file-name-absolute-p uri) (and (not (file-remote-p uri)) uri))))

(defun tenets--folder (&optional directory)
  "Return the URI of DIRECTORY, by default of `default-directory'.
Of a remote one, it is that of the root: sessions are those of this
machine, and the root shows the active one.  Nothing remote is looked at."
  (let ((directory (or directory default-directory "/")))
    (if (file-remote-p directory)
        "file:///"
      (tenets--uri (directory-file-name (expand-file-name directory "/"))))))

(defun tenets--of-folder (&optional uri)
  "Return the params to ask for the session of the folder URI, by default here."
  (list :folder (or uri (tenets--folder)) :includeMetadata :json-false))

(defun tenets--folder-name (uri)
  "Return how the folder at URI is shown."
  (abbreviate-file-name (or (tenets--file uri) uri)))

(defun tenets--buffer-file ()
  "Return the file that the current buffer visits, if it is on this machine."
  (let ((file (buffer-file-name (or (buffer-base-buffer) (current-buffer)))))
    (and file (not (file-remote-p file)) file)))

;;;; Work that waits for its turn

;; A process filter may run at any time.  So what comes from the server is put
;; into a list, and done by timers, in the same order.

(defvar tenets--jobs nil
  "What is to be done, first things first: lists of a function and arguments.")

(defvar tenets--in-job nil
  "Non-nil while a job is done: no command is running.")

(defun tenets--later (function &rest arguments)
  "Call FUNCTION with ARGUMENTS soon, after what was put off before."
  (setq tenets--jobs (nconc tenets--jobs (list (cons function arguments))))
  (run-at-time 0 nil #'tenets--work))

(defun tenets--work ()
  "Do the first job."
  (when tenets--jobs
    (let ((job (pop tenets--jobs))
          (tenets--in-job t))
      (condition-case problem
          (apply (car job) (cdr job))
        (error (tenets--say "%s" (error-message-string problem)))))))

(defun tenets--in-buffer (function)
  "Return FUNCTION, to be called in the current buffer while that exists."
  (let ((buffer (current-buffer)))
    (lambda (&rest arguments)
      (when (buffer-live-p buffer)
        (with-current-buffer buffer
          (apply function arguments))))))

(defun tenets--wait (seconds done)
  "Wait for a value of the function DONE, for at most SECONDS; return it."
  (let ((end (+ (float-time) seconds))
        value)
    (while (not (or (setq value (funcall done)) (> (float-time) end)))
      (accept-process-output nil 0.01))
    value))

;;;; What is known of the sessions

(defvar tenets--revision -1
  "Revision of the newest `didChange' of this connection.")

(defvar tenets--state nil
  "Newest state of the database that is known.")

(defvar tenets--active nil
  "The active session, a plist, or nil.")

(defvar tenets--trouble nil
  "Why the active session is not known although there is a server, or nil.")

(defvar tenets--folders (make-hash-table :test #'equal)
  "What each directory shows that was displayed: a plist.
Its `:uri' is that of the folder.  Once the server has said it, `:known'
is t, `:session' is the session, and `:binding' the folder that it is
bound to.")

(defconst tenets--most-folders 50
  "Number of directories that the server tells us about.")

(defvar tenets--told nil
  "Name of the session that `tenets-changed-functions' know of, or nil.")

(defvar tenets--seen nil
  "State of the database when the user was last here, or asked for changes.")

(defvar tenets--has-remembered nil
  "Whether `tenets-state-file' was read.")

;;;; The connection

(defconst tenets--patience 0.3
  "Seconds for which a command waits for what the user is to choose from.")

(defconst tenets--pause 0.5
  "Seconds without a key after which a question may come by itself.")

(defconst tenets--last-patience 5
  "Seconds for which Emacs waits before it ends, while writes have no reply.")

(defconst tenets--most-unread 16384
  "Bytes that may be on the way to a server that does not answer.
A pipe takes them even if nobody reads it.  `process-send-string' would
wait for more.")

(defconst tenets--header
  (concat "\\(?:[^\r\n]+\r\n\\)*?Content-Length: *\\([0-9]+\\)\r\n"
          "\\(?:[^\r\n]+\r\n\\)*\r\n")
  "Regular expression of what stands before a message, with its length.")

(defconst tenets--page 1000
  "Number of sessions or notes that one request returns at most.")

(defconst tenets--delays '(0.5 . 60)
  "Seconds until a lost server is started again: at first, and at most.")

(defconst tenets--writes
  '(("create" . "the session %s created")
    ("rename" . "the session %s renamed")
    ("copy" . "the session %s copied")
    ("delete" . "the session %s deleted")
    ("setActive" . "the session %s switched")
    ("exit" . "the session %s left")
    ("bind" . "the directory %s bound")
    ("restore" . "what was deleted %s brought back")
    ("addContext" . "the note %s added")
    ("updateContext" . "the note %s saved")
    ("removeContext" . "the note %s deleted"))
  "Methods that change something, and what is said of them.")

(cl-defstruct (tenets--call (:constructor tenets--call) (:copier nil))
  "A request: VERB with PARAMS, which is TEXT for the server.
DONE gets its result, FAILED its error.  If AGAIN is non-nil, it is safe
to send it once more after the server has ended."
  id verb params text done failed again)

(defvar tenets--phase nil
  "The state of the connection: nil, `starting', `ready' or `lost'.
It is nil until the server is needed.")

(defvar tenets--server nil
  "The process of the server, or nil.")

(defvar tenets--last-id 0
  "Id of the last request.  That of `initialize' is 0.")

(defvar tenets--waiting nil
  "Calls that are to be sent, the first one first.")

(defvar tenets--sent nil
  "Calls that were sent and have no reply, the last one first.")

(defvar tenets--delay (car tenets--delays)
  "Seconds until the next attempt to start the server.")

(defvar tenets--timer nil
  "Timer of the next attempt to start the server, or to read the database.")

(defvar tenets--resume nil
  "Timer of the next attempt to send, after one has failed.")

(defvar tenets--told-lost nil
  "Whether the user knows that there is no server.")

(defvar tenets--warnings nil
  "Warnings of the server that were shown.")

(defvar tenets--author nil
  "The label under which the server keeps our changes.")

(defvar tenets--leaving nil
  "Non-nil when Emacs is about to end.")

(defvar tenets-mode)

(defun tenets--encode (&rest members)
  "Return the message of JSON-RPC with MEMBERS, a plist, as bytes to be sent.
Signal an error if there is a text that is not valid UTF-8."
  (let* ((message (append '(:jsonrpc "2.0") members))
         (json (if (fboundp 'json-serialize)
                   (json-serialize message :null-object nil
                                   :false-object :json-false)
                 (require 'json)
                 (let ((json-null nil)
                       (json-false :json-false))
                   (json-encode message))))
         (bytes (encode-coding-string json 'utf-8-unix)))
    (concat (format "Content-Length: %d\r\n\r\n" (length bytes)) bytes)))

(defun tenets--decode (text)
  "Return TEXT, which is JSON, as a plist; null and false are nil."
  (condition-case nil
      (json-parse-string text :object-type 'plist :null-object nil
                         :false-object nil)
    ;; Before Emacs 30 it refuses NUL, and may be missing.
    (error (require 'json)
           (let ((json-object-type 'plist)
                 (json-array-type 'vector)
                 (json-null nil)
                 (json-false nil))
             (json-read-from-string text)))))

(cl-defun tenets--request
    (verb params done &key (failed #'tenets--fail) again notice)
  "Send a request: method VERB with PARAMS, a plist or nil.
Then DONE is called with the result, or FAILED with the error, a plist
with `:message' and perhaps `:data'.  For AGAIN see `tenets--call'.
NOTICE is the event that other folders are shown, which is told first.
Starts the server if necessary."
  (let* ((id (setq tenets--last-id (1+ tenets--last-id)))
         (text (ignore-errors
                 (concat
                  (and notice
                       (tenets--encode
                        :method "workspace/didChangeWorkspaceFolders"
                        :params (list :event notice)))
                  (tenets--encode :id id
                                  :method (concat "tenets/session." verb)
                                  :params (or params (make-hash-table)))))))
    (if (not text)
        (funcall failed (list :message
                              (tenets--fate verb "was not"
                                            "it has bytes that are no text")))
      (setq tenets--waiting
            (nconc tenets--waiting
                   (list (tenets--call :id id :verb verb :params params
                                       :text text :done done :failed failed
                                       :again again))))
      (tenets--start)
      (tenets--flush))))

(defun tenets--unread ()
  "Return how many bytes the server may not have read yet."
  (apply #'+ (mapcar (lambda (call) (length (tenets--call-text call)))
                     tenets--sent)))

(defun tenets--fate (verb was reason)
  "Return for the user that a request, VERB, WAS not done, because of REASON."
  (if-let ((words (cdr (assoc verb tenets--writes))))
      (format "%s: %s" (format words was) reason)
    reason))

(defun tenets--flush (&optional answered)
  "Send what waits, as far as the pipe to the server takes it.
ANSWERED says that the server has just answered.  Only then a large
message is sent, so that no write to the pipe has to wait for a server
that is stopped."
  (when (eq tenets--phase 'ready)
    (while (and tenets--waiting
                (or (<= (+ (tenets--unread)
                           (length (tenets--call-text (car tenets--waiting))))
                        tenets--most-unread)
                    (and answered (null tenets--sent)))
                (tenets--send (car tenets--waiting)))
      (pop tenets--waiting))
    (when (and tenets--waiting (null tenets--sent))
      ;; Does it answer?
      (tenets--send
       (tenets--call :id -1 :verb "getActive"
                     :text (tenets--encode
                            :id -1 :method "tenets/session.getActive"
                            :params '(:includeMetadata :json-false))
                     :done #'ignore :failed #'ignore)))))

(defun tenets--send (call)
  "Send CALL, and return non-nil if that was possible."
  (condition-case nil
      (progn (process-send-string tenets--server (tenets--call-text call))
             (push call tenets--sent))
    ;; The server has ended, and `tenets--lost' comes; or it is stopped.
    (error (unless (memq tenets--resume timer-list)
             (setq tenets--resume (run-at-time 0.5 nil #'tenets--flush)))
           nil)))

(defun tenets--answered (id result problem)
  "Tell who sent the request ID that its RESULT has come, or PROBLEM."
  (when-let ((call (seq-find (lambda (one) (eql (tenets--call-id one) id))
                             tenets--sent)))
    (setq tenets--sent (delq call tenets--sent))
    (tenets--flush t)
    (if problem
        (funcall (tenets--call-failed call) problem)
      (funcall (tenets--call-done call) result))))

(defun tenets--start ()
  "Start the server if there is none."
  (unless tenets--server
    (when tenets--timer (cancel-timer tenets--timer))
    (setq tenets--timer nil)
    (add-hook 'kill-emacs-query-functions #'tenets--may-leave)
    (add-hook 'kill-emacs-hook #'tenets--leave)
    (let ((program (car tenets-server-command))
          (folder (tenets--folder)))
      ;; Not in the buffer of the user: the server is started on this machine,
      ;; with the environment that all buffers have.
      (with-temp-buffer
        (setq default-directory (expand-file-name "~/" "/"))
        (if (not (executable-find program))
            (tenets--gone
             (format "%s was not found; install it, or set %s" program
                     'tenets-server-command))
          (condition-case problem
              (tenets--connect folder)
            (error (tenets--gone (error-message-string problem)))))))))

(defun tenets--connect (folder)
  "Start the server, and introduce ourselves, in FOLDER."
  (let ((output (get-buffer-create " *tenets output*"))
        (errors (get-buffer-create " *tenets stderr*")))
    (with-current-buffer errors (erase-buffer))
    (with-current-buffer output
      (erase-buffer)
      ;; The header of a message counts bytes.
      (set-buffer-multibyte nil))
    (setq tenets--phase 'starting
          tenets--server
          (make-process :name "tenets" :command tenets-server-command
                        :connection-type 'pipe :coding 'binary :noquery t
                        :buffer output :filter #'tenets--read-output
                        :sentinel (lambda (process _)
                                    (unless (process-live-p process)
                                      (tenets--later #'tenets--lost process)))
                        :stderr errors))
    (set-process-sentinel (get-buffer-process errors) #'ignore)
    ;; If it has ended already, `tenets--lost' comes.
    (ignore-errors
      (process-send-string
       tenets--server
       (tenets--encode
        :id 0 :method "initialize"
        :params (list :clientInfo (list :name "Emacs" :version emacs-version)
                      :processId (emacs-pid)
                      :rootUri folder
                      :workspaceFolders (vector (list :uri folder :name folder))
                      :capabilities (make-hash-table)
                      :initializationOptions
                      '(:commands :json-false :activeMetadata :json-false)))))))

(defun tenets--read-output (process bytes)
  "Take the messages from what PROCESS has written, of which BYTES are new."
  (when (buffer-live-p (process-buffer process))
    (with-current-buffer (process-buffer process)
      (goto-char (point-max))
      (insert bytes)
      (goto-char (point-min))
      (let (end)
        (while (and (looking-at tenets--header)
                    (setq end (+ (match-end 0)
                                 (string-to-number (match-string 1))))
                    (<= end (point-max)))
          (tenets--later #'tenets--received process
                         (buffer-substring (match-end 0) end))
          (delete-region (point-min) end))))))

(defun tenets--received (process bytes)
  "Act on a message of PROCESS, BYTES of JSON."
  (when (eq process tenets--server)
    (let* ((message (tenets--decode (decode-coding-string bytes 'utf-8-unix)))
           (id (plist-get message :id))
           (result (plist-get message :result))
           (problem (plist-get message :error)))
      (pcase (plist-get message :method)
        ('nil (cond ((not (eql id 0)) (tenets--answered id result problem))
                    (problem (tenets--refused problem))
                    (t (tenets--ready result))))
        ("tenets/session.didChange"
         (tenets--did-change (plist-get message :params)))
        ("window/showMessage"
         (tenets--say "%s" (tenets--get message :params :message)))))))

(defun tenets--refused (problem)
  "Give the server up, which answered `initialize' with PROBLEM."
  (unless tenets--told-lost (tenets--fail problem))
  (ignore-errors
    (process-send-string tenets--server (tenets--encode :method "exit"))))

(defun tenets--ready (result)
  "Go on with the server, whose reply to `initialize' is RESULT."
  (process-send-string
   tenets--server
   (tenets--encode :method "initialized" :params (make-hash-table)))
  (let ((capability (tenets--get result :capabilities :experimental
                                 :tenetsSession)))
    (setq tenets--phase 'ready
          tenets--delay (car tenets--delays)
          tenets--told-lost nil
          tenets--author (plist-get capability :author)
          tenets--revision -1
          tenets--state (plist-get capability :state))
    (mapc #'tenets--warn (plist-get capability :warnings))
    (tenets--remember)
    (tenets--catch-up)
    (tenets--flush)))

(defun tenets--warn (warning)
  "Show WARNING, once."
  (unless (member warning tenets--warnings)
    (push warning tenets--warnings)
    (display-warning 'tenets warning)))

(defun tenets--last-line ()
  "Return the last line that the server wrote to stderr, or nil."
  (when-let ((buffer (get-buffer " *tenets stderr*")))
    ;; It may be on its way.
    (when-let ((errors (get-buffer-process buffer)))
      (accept-process-output errors 0.1))
    (car (last (split-string (with-current-buffer buffer (buffer-string))
                             "\n" t "[ \t]+")))))

(defun tenets--lost (process)
  "Go on after the server, PROCESS, has ended."
  (when (eq process tenets--server)
    (let ((was-ready (eq tenets--phase 'ready)))
      (setq tenets--server nil)
      (tenets--gone (if was-ready
                        "the server has ended; it is started again"
                      (format "the server ended at once: %s"
                              (or (tenets--last-line) "it said nothing")))
                    was-ready))))

(defun tenets--gone (message &optional was-ready)
  "Go on without a server.
MESSAGE says why, and is shown once.  WAS-READY says whether there was
one that worked."
  (let ((sent (nreverse tenets--sent))
        (waiting tenets--waiting))
    (setq tenets--phase 'lost
          tenets--sent nil
          ;; What is safe to be sent again is kept, and goes first.
          tenets--waiting
          (seq-filter #'tenets--call-again (append sent waiting))
          tenets--active nil
          tenets--trouble nil)
    (clrhash tenets--folders)
    (unless (or tenets--told-lost tenets--leaving
                ;; The command that has started it says so, too.
                (and (not was-ready)
                     (not (seq-every-p #'tenets--call-again waiting))))
      (tenets--say "%s" message))
    (setq tenets--told-lost t)
    (tenets--refresh)
    (dolist (call (append sent waiting))
      (unless (tenets--call-again call)
        (tenets--later
         (tenets--call-failed call)
         (list :data '(:kind "connectionLost")
               :message (tenets--fate
                         (tenets--call-verb call)
                         (if (memq call sent)
                             "may or may not have been"
                           "was not")
                         (if was-ready "the server has ended" message))))))
    (when (and (or tenets-mode was-ready tenets--waiting) (not tenets--timer))
      (setq tenets--timer (run-at-time tenets--delay nil #'tenets--start)
            tenets--delay (min (* 2 tenets--delay) (cdr tenets--delays))))))

;;;; Before Emacs ends, and when it is there again

(defun tenets--read-state ()
  "Return what is in `tenets-state-file', a plist."
  (ignore-errors
    (with-temp-buffer
      (insert-file-contents tenets-state-file)
      (read (current-buffer)))))

(defun tenets--write-state (seen unsent)
  "Write SEEN, a state, and UNSENT, params of notes, to `tenets-state-file'."
  (condition-case problem
      (with-file-modes #o600
        (make-directory (file-name-directory tenets-state-file) t)
        (let ((coding-system-for-write 'utf-8-emacs-unix)
              (print-length nil)
              (print-level nil))
          (write-region (prin1-to-string (list :seen seen :unsent unsent)) nil
                        tenets-state-file nil 'silent)))
    (error (tenets--say "%s" (error-message-string problem)))))

(defun tenets--remember ()
  "Read what was seen last, and send the notes that were not taken then."
  (unless tenets--has-remembered
    (setq tenets--has-remembered t)
    (let* ((state (tenets--read-state))
           (unsent (plist-get state :unsent)))
      (setq tenets--seen
            (or tenets--seen (plist-get state :seen) tenets--state))
      (when unsent
        (tenets--write-state tenets--seen nil)
        (dolist (params unsent)
          (tenets--add
           params
           (lambda (entry)
             (tenets--say "added to %s what was written before Emacs ended"
                          (plist-get entry :sessionName)))))))))

(defun tenets--writes ()
  "Return a list of all requests of `tenets--writes' without a reply."
  (seq-filter (lambda (call) (assoc (tenets--call-verb call) tenets--writes))
              (append (reverse tenets--sent) tenets--waiting)))

(defun tenets--unsaved ()
  "Return the buffers with notes that are edited and not saved."
  (seq-filter (lambda (buffer)
                (and (buffer-local-value 'tenets-note-edit-mode buffer)
                     (buffer-modified-p buffer)))
              (buffer-list)))

(defun tenets--may-leave ()
  "Return non-nil if Emacs may end; ask if notes that are edited are not saved."
  (tenets--wait tenets--last-patience
                (lambda ()
                  (seq-every-p (lambda (buffer)
                                 (not (buffer-local-value
                                       'tenets--is-being-saved buffer)))
                               (tenets--unsaved))))
  (or (null (tenets--unsaved))
      (yes-or-no-p "Notes that you edit are not saved.  Leave anyway? ")))

(defun tenets--leave ()
  "Before Emacs ends, wait a moment for replies, and say goodbye to the server."
  (setq tenets--leaving t)
  (when (tenets--writes)
    (with-local-quit
      (tenets--wait tenets--last-patience (lambda () (null (tenets--writes))))))
  (let ((unsent (mapcar #'tenets--call-params
                        (seq-filter #'tenets--call-again (tenets--writes)))))
    (when (or unsent tenets--has-remembered)
      (tenets--write-state (or (and (eq tenets--phase 'ready) tenets--state)
                               tenets--seen)
                           ;; Another Emacs may have left some, too.
                           (append (plist-get (tenets--read-state) :unsent)
                                   unsent))))
  ;; If the pipe is full, the server reads its end there.
  (when (and (eq tenets--phase 'ready)
             (< (tenets--unread) tenets--most-unread))
    (ignore-errors
      (process-send-string tenets--server
                           (concat (tenets--encode :id -1 :method "shutdown")
                                   (tenets--encode :method "exit"))))))

;;;; The current session

(defun tenets--current (&optional buffer)
  "Return the current session of BUFFER, by default of the current buffer.
It is a plist with `:session' and `:binding', or nil if it is not known;
then the server is asked."
  (when (and (eq tenets--phase 'ready) (not tenets--trouble))
    (let* ((directory (or (buffer-local-value 'default-directory
                                              (or buffer (current-buffer)))
                          "/"))
           (known (gethash directory tenets--folders)))
      (unless known
        (setq known (list :uri nil))
        (puthash directory known tenets--folders)
        (tenets--later #'tenets--visit directory))
      (and (plist-get known :known) known))))

(defun tenets--visit (directory)
  "Ask for the session of DIRECTORY, and to be told when it is another one."
  (when (eq tenets--phase 'ready)
    (let ((uri (tenets--folder directory)))
      (puthash directory (list :uri uri) tenets--folders)
      (tenets--request
       "getCurrent" (tenets--of-folder uri)
       (lambda (result) (tenets--visited directory uri result))
       :failed #'tenets--in-trouble
       :notice (list :added (vector (list :uri uri :name uri))
                     :removed (tenets--forget-folders directory))))))

(defun tenets--visited (directory uri result)
  "Take over RESULT, the session of DIRECTORY; URI is that of the folder."
  (if (< (plist-get result :revision) tenets--revision)
      (tenets--visit directory) ; what was told meanwhile may be newer
    (tenets--know directory uri result)
    (tenets--refresh)))

(defun tenets--know (directory uri current)
  "Remember CURRENT as the session of DIRECTORY, whose folder is URI."
  (puthash directory
           (list :uri uri :known t :session (plist-get current :session)
                 :binding (plist-get current :binding))
           tenets--folders))

(defun tenets--forget-folders (directory)
  "Forget directories that are not displayed, if there are many; keep DIRECTORY.
Return a vector of their folders."
  (let (removed)
    (when (> (hash-table-count tenets--folders) tenets--most-folders)
      (let ((displayed (list directory)))
        (dolist (frame (frame-list))
          (dolist (window (window-list frame))
            (push (buffer-local-value 'default-directory
                                      (window-buffer window))
                  displayed)))
        (maphash (lambda (one known)
                   (let ((uri (plist-get known :uri)))
                     (when (and uri (not (member one displayed)))
                       (push (list :uri uri :name uri) removed)
                       (remhash one tenets--folders))))
                 tenets--folders)))
    (vconcat removed)))

(defun tenets--did-change (batch)
  "Take over what has changed: BATCH."
  (when (> (plist-get batch :revision) tenets--revision)
    (setq tenets--revision (plist-get batch :revision)
          tenets--state (plist-get batch :state)
          tenets--active (plist-get batch :active))
    (let ((currents (append (plist-get batch :currents) nil)))
      (maphash
       (lambda (directory known)
         (let* ((uri (plist-get known :uri))
                (current (seq-find (lambda (one)
                                     (equal (plist-get one :folder) uri))
                                   currents)))
           (cond ((not (plist-get known :known)))
                 (current (tenets--know directory uri current))
                 (currents (remhash directory tenets--folders))
                 (t (tenets--know directory uri
                                  (list :session tenets--active))))))
       tenets--folders))
    (when tenets--trouble (tenets--catch-up))
    (tenets--refresh)
    (tenets--follow batch)))

(defun tenets--catch-up ()
  "Look at everything anew."
  (clrhash tenets--folders)
  (tenets--request
   "list" '(:active t :limit 1 :includeMetadata :json-false)
   (lambda (page)
     (setq tenets--trouble nil)
     (when (>= (plist-get page :revision) tenets--revision)
       (setq tenets--active (car (append (plist-get page :sessions) nil))
             tenets--state (plist-get page :state)))
     (tenets--refresh)
     (tenets--follow '(:incomplete t)))
   :failed #'tenets--in-trouble))

(defun tenets--in-trouble (problem)
  "Show that the sessions cannot be read because of PROBLEM, and try again."
  (when (eq tenets--phase 'ready)
    (setq tenets--trouble (plist-get problem :message)
          tenets--active nil)
    (unless tenets--timer
      (setq tenets--timer (run-at-time 5 nil #'tenets--try-again)))
    (tenets--refresh)))

(defun tenets--try-again ()
  "Read the sessions again."
  (setq tenets--timer nil)
  (when (eq tenets--phase 'ready) (tenets--catch-up)))

(defun tenets--refresh ()
  "Show the current session in all mode lines, and tell who wants to know."
  (force-mode-line-update t)
  (tenets--tell))

(defun tenets--tell (&rest _)
  "Call `tenets-changed-functions' if the current session is another one."
  (let* ((window (or (minibuffer-selected-window) (selected-window)))
         (current (tenets--current (window-buffer window))))
    (when (or current tenets--told-lost)
      (let ((name (tenets--get current :session :name)))
        (unless (equal name tenets--told)
          (setq tenets--told name)
          (run-hook-wrapped
           'tenets-changed-functions
           (lambda (function)
             (condition-case problem
                 (funcall function name)
               (error (tenets--say "error in tenets-changed-functions: %s"
                                   (error-message-string problem))))
             nil)))))))

(defun tenets--tell-later (&rest _)
  "Call `tenets-changed-functions' soon, as another window was selected."
  (tenets--later #'tenets--tell))

(defun tenets--why (current)
  "Return which session CURRENT is, and why, for the user."
  (let ((name (tenets--get current :session :name))
        (binding (plist-get current :binding)))
    (cond ((not name) "no session")
          (binding (format "%s (bound to %s)" name
                           (tenets--folder-name binding)))
          (t (format "%s (active in every editor)" name)))))

;;;; The mode line

(defvar tenets--mode-line-map
  (let ((map (make-sparse-keymap)))
    (define-key map [mode-line mouse-1] #'tenets-switch)
    map)
  "Keymap of the session in the mode line.")

(defconst tenets--mode-line-entry '(tenets-mode (:eval (tenets--mode-line)))
  "What is added to `mode-line-misc-info'.")

(defun tenets--mode-line ()
  "Return the current session of this buffer, for its mode line."
  (let* ((current (tenets--current))
         (name (tenets--get current :session :name))
         (problem (cond (tenets--told-lost "disconnected")
                        (tenets--trouble "unavailable")))
         (text (or problem
                   (and (not current) "...")
                   (and name
                        (bidi-string-mark-left-to-right
                         (truncate-string-to-width name 30 nil nil "...")))
                   "no session"))
         (help (cond (tenets--told-lost "The server is started again by itself")
                     (tenets--trouble)
                     (t (tenets--why current)))))
    (list "["
          (propertize (string-replace "%" "%%"
                                      (concat tenets-mode-line-prefix text))
                      'face (and problem 'tenets-problem)
                      'help-echo (concat help "\nmouse-1: switch")
                      'mouse-face 'mode-line-highlight
                      'local-map tenets--mode-line-map)
          "] ")))

;;;###autoload
(define-minor-mode tenets-mode
  "Show the current session of `tenets-session-server' in the mode line.

\\{tenets-command-map}"
  :global t
  (setq mode-line-misc-info
        (delete tenets--mode-line-entry mode-line-misc-info))
  (if (not tenets-mode)
      (progn
        (remove-hook 'window-selection-change-functions #'tenets--tell-later)
        (remove-hook 'window-buffer-change-functions #'tenets--tell-later))
    (setq mode-line-misc-info
          (append mode-line-misc-info (list tenets--mode-line-entry)))
    (add-hook 'window-selection-change-functions #'tenets--tell-later)
    (add-hook 'window-buffer-change-functions #'tenets--tell-later)
    ;; Not while Emacs starts.
    (run-with-idle-timer 0.1 nil #'tenets--start))
  (force-mode-line-update t))

;;;; Questions to the user

(defun tenets--prompt (ask &optional otherwise)
  "Call ASK, which may read from the minibuffer, while no command is running.
Wait until the user stops typing, which is not meant for ASK.  If the
minibuffer is in use, or if the user quits, call OTHERWISE."
  (cond ((and (not noninteractive)
              (time-less-p (or (current-idle-time) 0) tenets--pause))
         (run-with-idle-timer tenets--pause nil #'tenets--prompt ask otherwise))
        ((not (active-minibuffer-window))
         (let ((inhibit-quit nil)
               (tenets--in-job nil))
           (condition-case problem
               (funcall ask)
             (quit (if otherwise (funcall otherwise) (message "Quit")))
             ;; Emacs may have no frame in which the user can be asked.
             (error (when otherwise (funcall otherwise))
                    (signal (car problem) (cdr problem))))))
        (otherwise (funcall otherwise))
        (t (tenets--say "you were asked something else; try again"))))

(defun tenets--ask-server (verb params ask &optional otherwise)
  "Send a request, VERB with PARAMS, and call ASK with its result.
ASK may read from the minibuffer.  It is called at once if the server
answers soon, and else when it has answered.  OTHERWISE is called if ASK
cannot be called, or if the user quits."
  (let ((phase (if tenets--in-job 'late 'waiting))
        answer)
    (tenets--request
     verb params
     (lambda (result)
       (if (eq phase 'late)
           (tenets--prompt (lambda () (funcall ask result)) otherwise)
         (setq answer result
               phase 'answered)))
     :failed (lambda (problem)
               (when (eq phase 'waiting) (setq phase 'failed))
               (tenets--fail problem)
               (when otherwise (funcall otherwise))))
    (when (eq phase 'waiting)
      (tenets--wait tenets--patience (lambda () (not (eq phase 'waiting))))
      (pcase phase
        ('answered (funcall ask answer))
        ('waiting (setq phase 'late)
                  (tenets--say "waiting for the server..."))))))

(defvar tenets--prompt-map
  (let ((map (make-sparse-keymap)))
    (define-key map " " #'self-insert-command)
    (define-key map "?" #'self-insert-command)
    map)
  "Keymap of prompts with completion, in which these keys usually complete.")

(defun tenets--read (prompt table &optional default history)
  "Read a text with PROMPT, completed by TABLE; any other text may be given.
DEFAULT and HISTORY are as for `completing-read'."
  (minibuffer-with-setup-hook
      (lambda ()
        (use-local-map
         (make-composed-keymap tenets--prompt-map (current-local-map))))
    (completing-read prompt table nil nil nil history default)))

(defun tenets--table (candidates category affix)
  "Return a completion table of CANDIDATES in their order.
CATEGORY is that of their metadata.  AFFIX returns for a candidate what
stands before and behind it."
  (lambda (string predicate action)
    (if (eq action 'metadata)
        (tenets--metadata category affix)
      (complete-with-action action candidates string predicate))))

(defun tenets--metadata (category affix)
  "Return the metadata of a completion table; for CATEGORY and AFFIX see there."
  (let ((affixes (lambda (one)
                   (pcase-let ((`(,before ,behind) (funcall affix one)))
                     (list one before
                           (propertize (concat (tenets--bidi-end one)
                                               "  " behind)
                                       'face 'completions-annotations))))))
    `(metadata (category . ,category)
               (display-sort-function . identity)
               (cycle-sort-function . identity)
               (affixation-function . ,(lambda (all) (mapcar affixes all))))))

(defun tenets--session-details (session)
  "Return what stands behind the name of SESSION in a list."
  (concat (if (plist-get session :active) "active, " "")
          (tenets--count (plist-get session :contextCount) "note")
          ", " (tenets--age (plist-get session :createdAt))))

(defun tenets--pick-session (prompt default act &optional otherwise)
  "Let the user choose a session, and call ACT with its name.
PROMPT is the question, without its colon, and DEFAULT a name or nil.
OTHERWISE is called if the user cannot be asked, or quits."
  (let ((current (tenets--get (tenets--current) :session :id)))
    (tenets--ask-server
     "list"
     '( :order "recent" :limit 1000
        :includeContextCount t :includeMetadata :json-false)
     (lambda (page)
       (let* ((sessions (append (plist-get page :sessions) nil))
              (by-name (make-hash-table :test #'equal))
              (affix (lambda (name)
                       (let ((session (gethash name by-name)))
                         (list (if (eql current (plist-get session :id))
                                   "* "
                                 "  ")
                               (tenets--session-details session)))))
              (completion-ignore-case t))
         (dolist (session sessions)
           (puthash (plist-get session :name) session by-name))
         (let* ((names (mapcar (lambda (one) (plist-get one :name)) sessions))
                (table (tenets--table names 'tenets-session affix))
                (name (tenets--read (format-prompt prompt default) table
                                    default)))
           (if (string-blank-p name)
               (tenets--say "a name has at least one character")
             (funcall act name)))))
     otherwise)))

(defun tenets--with-current (act)
  "Call ACT, which may read from the minibuffer, with the current session.
If there is none, say so."
  (tenets--ask-server
   "getCurrent" (tenets--of-folder)
   (lambda (result)
     (if-let ((session (plist-get result :session)))
         (funcall act session)
       (tenets--say "no session is current; switch to one first")))))

(defun tenets--report (folder done name)
  "Say DONE.  If FOLDER is bound to another session than NAME, say that, too."
  (tenets--request
   "getCurrent" (tenets--of-folder folder)
   (lambda (result)
     (let ((shown (tenets--get result :session :name))
           (binding (plist-get result :binding)))
       (if (and binding (not (equal shown name)))
           (tenets--say "%s; %s still shows %s, which is bound to it" done
                        (tenets--folder-name binding) shown)
         (tenets--say "%s" done))))
   :failed (lambda (_) (tenets--say "%s" done))))

;;;; Sessions

;;;###autoload
(defun tenets-status ()
  "Say which session is current here, and why."
  (interactive)
  (tenets--request "getCurrent"
                   (tenets--of-folder)
                   (lambda (result) (tenets--say "%s" (tenets--why result)))))

;;;###autoload
(defun tenets-switch (&optional name)
  "Make the session NAME active in every editor.
Interactively, choose it from a list.  If there is no session of that
name, offer to create it."
  (interactive)
  (if (not name)
      (tenets--pick-session "Switch to session" nil #'tenets-switch)
    (let ((folder (tenets--folder)))
      (tenets--request
       "setActive" (list :name name)
       (lambda (session)
         (let ((name (plist-get session :name)))
           (tenets--report folder (format "switched to %s" name) name)))
       :failed
       (lambda (problem)
         (if (not (equal (tenets--kind problem) "sessionNotFound"))
             (tenets--fail problem)
           (tenets--prompt
            (lambda ()
              (when (y-or-n-p
                     (format "There is no session named %s.  Create it? " name))
                (tenets-create name))))))))))

;;;###autoload
(defun tenets-create (name)
  "Create the session NAME, and make it active in every editor."
  (interactive (list (read-string "Create session: ")))
  (let ((folder (tenets--folder)))
    (tenets--request
     "create" (list :name name :active t)
     (lambda (session)
       (let ((name (plist-get session :name)))
         (tenets--report folder
                         (format "created %s, which is active now" name)
                         name)))
     :failed
     (lambda (problem)
       (if (not (equal (tenets--kind problem) "sessionExists"))
           (tenets--fail problem)
         (tenets--prompt
          (lambda ()
            (when (y-or-n-p
                   (format "There is a session named %s.  Switch to it? " name))
              (tenets-switch name)))))))))

;;;###autoload
(defun tenets-exit (&optional name)
  "Leave the active session, or the session NAME.  Then no session is active."
  (interactive)
  (let ((folder (tenets--folder)))
    (tenets--request
     "exit" (and name (list :name name))
     (lambda (session)
       (tenets--report folder (format "left %s" (plist-get session :name)) nil))
     :failed (lambda (problem)
               (if (and (not name)
                        (equal (tenets--kind problem) "sessionNotFound"))
                   (tenets--say "no session is active")
                 (tenets--fail problem))))))

(defun tenets--project ()
  "Return the directory that is bound to a session: the project, or this one."
  (let ((project (and (not (file-remote-p default-directory))
                      (project-current))))
    (if project (project-root project) default-directory)))

;;;###autoload
(defun tenets-bind (&optional name directory)
  "Bind DIRECTORY to the session NAME, whatever is active.
Interactively, the directory is the project that this buffer belongs to,
or `default-directory' if there is none.  With a prefix argument, choose
it.  All directories in it show the session, too."
  (interactive
   (list nil
         (and current-prefix-arg
              (read-directory-name "Bind directory: " nil nil t))))
  (let ((directory (directory-file-name (or directory (tenets--project)))))
    (when (file-remote-p directory)
      (user-error "A remote directory cannot be bound"))
    (if (not name)
        (tenets--pick-session
         (format "Bind %s to session" (abbreviate-file-name directory)) nil
         (lambda (name) (tenets-bind name directory)))
      (tenets--request
       "bind" (list :name name :folder (tenets--folder directory))
       (lambda (result)
         (if (plist-get result :binding)
             (tenets--say "%s shows %s from now on, whatever is active"
                          (abbreviate-file-name directory) name)
           (tenets--say "%s shows %s as soon as there is a session of that name"
                        (abbreviate-file-name directory) name)))))))

;;;###autoload
(defun tenets-unbind ()
  "Let this directory show the active session again.
If a directory above it is bound, that is unbound."
  (interactive)
  (tenets--request
   "getCurrent" (tenets--of-folder)
   (lambda (result)
     (let ((binding (plist-get result :binding)))
       (if (not binding)
           (tenets--say "this directory is not bound to a session")
         (tenets--request
          "bind" (list :name nil :folder binding)
          (lambda (after)
            (tenets--say "%s is not bound any more; it shows %s"
                         (tenets--folder-name binding)
                         (tenets--why after)))))))))

;;;###autoload
(defun tenets-rename (&optional new-name)
  "Give the current session the name NEW-NAME."
  (interactive)
  (tenets--name-anew "rename" "Rename %s to: " "renamed %s to %s" new-name))

;;;###autoload
(defun tenets-copy (&optional new-name)
  "Copy the current session with its notes; the copy is named NEW-NAME."
  (interactive)
  (tenets--name-anew "copy" "Copy %s to: " "copied %s to %s" new-name))

(defun tenets--name-anew (verb prompt done new-name)
  "Send a request, VERB, with the current session and NEW-NAME.
If that is nil, ask for it with PROMPT.  Then say that it is DONE."
  (tenets--with-current
   (lambda (session)
     (let* ((name (plist-get session :name))
            (new (or new-name (read-string (format prompt name) name))))
       (tenets--request verb
                        (list :sessionId (plist-get session :id) :newName new)
                        (lambda (_) (tenets--say done name new)))))))

;;;###autoload
(defun tenets-delete (&optional name)
  "Delete the session NAME with its notes.
`tenets-undo' brings it back."
  (interactive)
  (if (not name)
      (tenets--pick-session "Delete session" nil #'tenets-delete)
    (tenets--request
     "delete" (list :name name)
     (lambda (result)
       (if (plist-get result :deleted)
           (tenets--say "deleted %s; %s brings it back" name
                        (substitute-command-keys "\\[tenets-undo]"))
         (tenets--say "there is no session named %s" name))))))

;;;###autoload
(defun tenets-export (&optional name)
  "Show the session NAME as Markdown, in a buffer that visits no file."
  (interactive)
  (if (not name)
      (tenets--pick-session "Export session"
                            (tenets--get (tenets--current) :session :name)
                            #'tenets-export)
    (tenets--request
     "export" (list :names (vector name) :format "markdown")
     (lambda (result)
       (let ((buffer (generate-new-buffer (format "*tenets export: %s*" name))))
         (with-current-buffer buffer
           (insert (plist-get result :content))
           (goto-char (point-min))
           (if (fboundp 'markdown-mode) (funcall 'markdown-mode) (text-mode))
           (set-buffer-modified-p nil))
         (tenets--show buffer))))))

(defun tenets--show (buffer)
  "Show BUFFER, and select its window unless the minibuffer is in use."
  (if (active-minibuffer-window)
      (display-buffer buffer)
    (pop-to-buffer buffer)))

;;;; The trash

(defun tenets--trash-name (item)
  "Return what ITEM of the trash is called."
  (let ((names (string-join (plist-get item :names) ", "))
        (entries (tenets--count (plist-get item :entries) "note")))
    (if (equal (plist-get item :type) "sessions")
        (format "%s (%s)" names entries)
      (format "%s of %s" entries names))))

(defun tenets--restore (item &optional new-name)
  "Bring back ITEM of the trash, under NEW-NAME if that is non-nil."
  (tenets--request
   "restore"
   (append (list :id (plist-get item :id))
           (and new-name (list :newName new-name)))
   (lambda (_)
     (tenets--say "brought back %s" (or new-name (tenets--trash-name item))))
   :failed
   (lambda (problem)
     (if (not (and (equal (tenets--kind problem) "sessionExists")
                   (eql (plist-get item :sessions) 1)))
         (tenets--fail problem)
       (tenets--prompt
        (lambda ()
          (let ((name (tenets--get problem :data :name)))
            (tenets--restore
             item
             (read-string (format "%s is taken.  Bring it back as: " name)
                          name)))))))))

;;;###autoload
(defun tenets-undo ()
  "Bring back what was deleted last, in any editor."
  (interactive)
  (tenets--request
   "listTrash" '(:limit 1)
   (lambda (page)
     (if-let ((item (car (append (plist-get page :items) nil))))
         (tenets--restore item)
       (tenets--say "the trash is empty")))))

;;;###autoload
(defun tenets-trash ()
  "Choose what to bring back from the trash."
  (interactive)
  (tenets--ask-server
   "listTrash" '(:limit 1000)
   (lambda (page)
     (let* ((items (mapcar (lambda (item)
                             (cons (format "%s #%d" (tenets--trash-name item)
                                           (plist-get item :id))
                                   item))
                           (plist-get page :items)))
            (affix (lambda (name)
                     (let ((item (cdr (assoc name items))))
                       (list ""
                             (format "deleted %s%s"
                                     (tenets--age (plist-get item :deletedAt))
                                     (if-let ((author (plist-get item :author)))
                                         (concat " by " author)
                                       "")))))))
       (if (null items)
           (tenets--say "the trash is empty")
         (tenets--restore
          (cdr (assoc (completing-read "Bring back: "
                                       (tenets--table (mapcar #'car items)
                                                      'tenets-trash affix)
                                       nil t nil nil (caar items))
                      items))))))))

;;;; Adding notes

(defun tenets--key ()
  "Return a new key, by which a note is added once however often it is sent."
  (secure-hash 'sha1
               (format "%S %S %S %S" (system-name) (emacs-pid) (current-time)
                       (random))))

(defun tenets--new-note (&optional target kind)
  "Return the params of a new note of KIND, by default a note, for TARGET.
TARGET is as `tenets--target' returns it, which is the default."
  (append (or target (tenets--target))
          (list :kind (or kind "note") :identityKey (tenets--key))))

(defun tenets--target ()
  "Return the params that name the session for a new note of this buffer.
That is the session that the user sees, whatever others do meanwhile."
  (if-let ((session (plist-get (tenets--current) :session)))
      (list :sessionId (plist-get session :id))
    (list :folder (tenets--folder))))

(defun tenets--add (params done &optional failed)
  "Add a note: send `addContext' with PARAMS, and call DONE with the result.
If no session is current, or that of PARAMS is gone, ask for one.  If
the note is refused, call FAILED with the problem; by default, say it,
and show the text in a buffer, so that it is not lost."
  (let ((failed (or failed (lambda (problem) (tenets--rescue params problem)))))
    (tenets--request
     "addContext" params done
     :again t
     :failed
     (lambda (problem)
       (if (not (equal (tenets--kind problem) "sessionNotFound"))
           (funcall failed problem)
         (tenets--pick-session
          (if (plist-get params :sessionId)
              "The session is gone.  Add the note to session"
            "No session is current.  Add the note to session")
          nil
          (lambda (name)
            (tenets--add (append (list :sessionName name)
                                 (tenets--without params :sessionId))
                         done failed))
          (lambda ()
            (funcall failed '(:message "nothing was added")))))))
    (unless (eq tenets--phase 'ready)
      (tenets--say (if tenets--told-lost
                       "there is no server; the note is sent when it is back"
                     "waiting for the server...")))))

(defun tenets--without (plist member)
  "Return PLIST without MEMBER."
  (cl-loop for (key value) on plist by #'cddr
           unless (eq key member) append (list key value)))

(defun tenets--rescue (params problem)
  "Show the text of PARAMS in a buffer, as it was not added because of PROBLEM."
  (let ((buffer (tenets--edit (tenets--without params :content)
                              (plist-get params :content))))
    (display-buffer buffer)
    (tenets--say "%s; the text is in %s"
                 (plist-get problem :message)
                 (buffer-name buffer))))

(defun tenets--said-added (entry &optional lines)
  "Say that ENTRY was added, which has LINES, a text."
  (tenets--say "added %sto %s%s" (or lines "")
               (if (plist-get entry :sessionCreated) "the new session " "")
               (plist-get entry :sessionName)))

;;;###autoload
(defun tenets-note (&optional text)
  "Add the note TEXT to the current session.
With a prefix argument, write it in a buffer."
  (interactive
   (list (unless current-prefix-arg
           (read-string
            (if-let ((session (plist-get (tenets--current) :session)))
                (format "Note for %s: " (plist-get session :name))
              "Note: ")))))
  (let ((params (tenets--new-note)))
    (cond ((not text) (tenets--show (tenets--edit params)))
          ((string-blank-p text)
           (tenets--say "nothing was added: the note is empty"))
          (t (tenets--add (append (list :content text) params)
                          #'tenets--said-added)))))

(defconst tenets--white-space
  (concat "[ \t\n\r\f\v\x1c-\x1f\x85\xa0\u1680\u2000-\u200a"
          "\u2028\u2029\u202f\u205f\u3000]+")
  "What the server takes for white space, as a regular expression.")

(defun tenets--collapse (line)
  "Return LINE with its white space collapsed, as an anchor has it."
  (let ((found (string-join (split-string line tenets--white-space t) " ")))
    (substring found 0 (min 500 (length found)))))

(defun tenets--buffer-text ()
  "Return the text of the whole buffer, with the lines that it has here.
A carriage return inside of a line ends it for the server.  What is not
a character is replaced, as the server does it in a file."
  (save-restriction
    (widen)
    (replace-regexp-in-string
     "[^\x0-\xd7ff\xe000-\x10ffff]" "\ufffd"
     (string-replace
      "\r" " " (buffer-substring-no-properties (point-min) (point-max)))
     t t)))

(defun tenets--anchor (first last)
  "Return the anchor of the lines FIRST to LAST, from 0, of the current buffer."
  (let* ((lines (vconcat (mapcar #'tenets--collapse
                                 (split-string (tenets--buffer-text) "\n"))))
         (count (length lines))
         (last (min last (1- count)))
         (quoted (seq-subseq lines first (min (1+ last) (+ first 20))))
         (places 0))
    (dotimes (at (- count (length quoted) -1))
      (when (and (equal (aref lines at) (aref quoted 0))
                 (equal (seq-subseq lines at (+ at (length quoted))) quoted))
        (setq places (1+ places))))
    (list :quote (string-join quoted "\n")
          :before (seq-subseq lines (max 0 (- first 3)) first)
          :after (seq-subseq lines (1+ last) (min count (+ last 4)))
          :occurrences places)))

(defun tenets--location (first last)
  "Return the location of the lines FIRST to LAST, from 0; nil without a file.
If the file does not have the text of the buffer, give the anchor, too:
the server would take it from the file."
  (when-let ((file (tenets--buffer-file)))
    (append (list :uri (tenets--uri file)
                  :range (list :start (list :line first :character 0)
                               :end (list :line (1+ last) :character 0)))
            (when (or (buffer-modified-p) (not (verify-visited-file-modtime)))
              (list :anchor (tenets--anchor first last))))))

;;;###autoload
(defun tenets-add-region (beginning end &optional comment)
  "Add the lines from BEGINNING to END to the current session, with their place.
Interactively, these are the lines of the region, or the current line.
With a COMMENT, which is asked for and may be empty, the note is that,
at these lines.  Without one, it has the lines."
  (interactive
   (append (if (use-region-p)
               (list (region-beginning) (region-end))
             (list (point) (point)))
           (list (read-string "Comment (empty: the lines alone): "))))
  (save-excursion
    (save-restriction
      (widen)
      (goto-char end)
      (when (and (bolp) (> end beginning)) (backward-char))
      (let* ((end (line-end-position))
             (last (1- (line-number-at-pos end)))
             (beginning (progn (goto-char beginning) (line-beginning-position)))
             (first (1- (line-number-at-pos beginning)))
             (text (buffer-substring-no-properties beginning
                                                   (min (1+ end) (point-max))))
             (location (tenets--location first last))
             (is-note (not (string-blank-p (or comment "")))))
        (when (string-blank-p text)
          (user-error "There is nothing in these lines"))
        (tenets--add
         (append (tenets--new-note nil (if is-note "note" "code"))
                 ;; Nobody finds the lines of a buffer.
                 (list :content (cond ((not is-note) text)
                                      (location comment)
                                      (t (concat comment "\n\n" text))))
                 (and location (list :location location)))
         (lambda (entry)
           (tenets--said-added
            entry (if (= first last)
                      (format "line %d " (1+ first))
                    (format "lines %d-%d " (1+ first) (1+ last))))))))))

;;;; One note, edited

(defvar-local tenets--note nil
  "The note that this buffer edits: what the server said of it, a plist.
A new one has no `:id'; then it has the params of `addContext'.")

(defvar-local tenets--theirs nil
  "What somebody else made of this note, a plist, or `gone'; nil if nothing.")

(defvar-local tenets--is-being-saved nil
  "Whether the text was sent to the server, and there is no reply.")

;; Another major mode leaves the buffer a note.
(put 'tenets--note 'permanent-local t)
(put 'tenets--theirs 'permanent-local t)
(put 'tenets--is-being-saved 'permanent-local t)
(put 'tenets-note-edit-mode 'permanent-local-hook t)

(defvar tenets-note-edit-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c C-c") #'tenets-note-finish)
    (define-key map (kbd "C-c C-k") #'tenets-note-cancel)
    (define-key map (kbd "C-c C-d") #'tenets-note-compare)
    (define-key map (kbd "C-c C-o") #'tenets-note-overwrite)
    map)
  "Keymap of `tenets-note-edit-mode'.")

(define-minor-mode tenets-note-edit-mode
  "Edit a note of a session.

\\{tenets-note-edit-mode-map}"
  :lighter " Note"
  :interactive nil
  (when tenets-note-edit-mode
    (setq header-line-format '(:eval (tenets--note-header))
          ;; A note need not end in a newline.
          require-final-newline nil
          ;; It is offered to be saved before Emacs ends.
          buffer-offer-save t)
    (add-hook 'after-change-major-mode-hook #'tenets-note-edit-mode nil t)
    (add-hook 'write-contents-functions #'tenets--note-save nil t)
    (add-hook 'kill-buffer-query-functions #'tenets--note-may-be-killed nil t)))

(defun tenets--note-header ()
  "Return the header line of a note that is edited."
  (let ((keys (substitute-command-keys
               (cond ((eq tenets--theirs 'gone)
                      "\\[tenets-note-overwrite] adds your text as a new note")
                     (tenets--theirs
                      (concat "\\[tenets-note-compare] compares, "
                              "\\[tenets-note-overwrite] overwrites"))
                     (t (concat "\\[tenets-note-finish] saves, "
                                "\\[tenets-note-cancel] gives up"))))))
    (string-replace
     "%" "%%"
     (cond ((eq tenets--theirs 'gone)
            (propertize (concat "This note was deleted meanwhile: " keys)
                        'face 'tenets-problem))
           (tenets--theirs
            (propertize (concat "This note was changed meanwhile: " keys)
                        'face 'tenets-problem))
           ((plist-get tenets--note :id)
            (format "Note of %s: %s"
                    (or (plist-get tenets--note :sessionName) "no session")
                    keys))
           (t (concat "New note: " keys))))))

(defun tenets--note-may-be-killed ()
  "Return non-nil if the buffer may be killed, for which the user is asked."
  (or (not (buffer-modified-p))
      (yes-or-no-p "This note is not saved.  Kill its buffer anyway? ")))

(defun tenets--note-buffer (id)
  "Return the buffer that edits the note with the id ID, or nil."
  (and id
       (seq-find (lambda (buffer)
                   (let ((note (buffer-local-value 'tenets--note buffer)))
                     (eql (plist-get note :id) id)))
                 (buffer-list))))

(defun tenets--edit (note &optional text)
  "Return a buffer to edit NOTE: what the server said, or params of a new one.
TEXT is inserted as if the user had written it."
  (let ((buffer (or (tenets--note-buffer (plist-get note :id))
                    (generate-new-buffer
                     (if-let ((id (plist-get note :id)))
                         (format "*tenets note %d*" id)
                       "*tenets new note*")))))
    (with-current-buffer buffer
      (unless tenets-note-edit-mode
        (insert (or (plist-get note :content) ""))
        (goto-char (point-min))
        (setq buffer-undo-list nil)
        (set-buffer-modified-p nil)
        (when text (insert text))
        (funcall tenets-note-major-mode)
        (tenets-note-edit-mode)
        (setq tenets--note note)))
    buffer))

(defun tenets--edit-id (id)
  "Edit the note with the id ID."
  (if-let ((buffer (tenets--note-buffer id)))
      (tenets--show buffer)
    (tenets--request
     "getContext" (list :id id)
     (lambda (note)
       (cond ((not note)
              (tenets--say "this note is gone; it may be in the trash"))
             ((plist-get note :nextOffset)
              (tenets--say "this note has %s, too large to be edited here"
                           (file-size-human-readable (plist-get note :size))))
             (t (tenets--show (tenets--edit note))))))))

(defun tenets--note-text ()
  "Return the text of the note in this buffer."
  (save-restriction
    (widen)
    (buffer-substring-no-properties (point-min) (point-max))))

(defun tenets--note-write (state then)
  "Save the note of this buffer if it is as in STATE, and call THEN there.
A new note is added, whatever STATE is."
  (let* ((content (tenets--note-text))
         (id (plist-get tenets--note :id))
         (tick (buffer-chars-modified-tick))
         (done (tenets--in-buffer
                (lambda (written)
                  (setq tenets--is-being-saved nil
                        tenets--note (append (list :content content) written)
                        tenets--theirs nil)
                  ;; What was typed meanwhile is not saved.
                  (when (= tick (buffer-chars-modified-tick))
                    (set-buffer-modified-p nil))
                  (force-mode-line-update)
                  (funcall then))))
         (failed (tenets--in-buffer
                  (lambda (problem)
                    (setq tenets--is-being-saved nil)
                    (pcase (tenets--kind problem)
                      ("conflict" (tenets--note-look content then))
                      ("contextNotFound" (tenets--note-differs 'gone))
                      (_ (tenets--say "%s; the text stays in %s"
                                      (plist-get problem :message)
                                      (buffer-name))))))))
    (cond
     (tenets--is-being-saved (tenets--say "this note is being saved"))
     ((and (not id) (string-blank-p content)) (tenets--say "the note is empty"))
     (t (setq tenets--is-being-saved t)
        (if (not id)
            ;; After a lost connection it may be there, with an earlier text.
            (tenets--add (append (list :content content :replace t)
                                 tenets--note)
                         done failed)
          (tenets--request "updateContext"
                           (list :id id :content content :ifState state)
                           done :failed failed))))))

(defun tenets--note-look (content then)
  "Look what somebody else made of this note.
If that is CONTENT or the text of this buffer, all is well: call THEN."
  (tenets--request
   "getContext" (list :id (plist-get tenets--note :id))
   (tenets--in-buffer
    (lambda (theirs)
      (cond ((not theirs) (tenets--note-differs 'gone))
            ((member (plist-get theirs :content)
                     (list content (tenets--note-text)))
             (setq tenets--note theirs
                   tenets--theirs nil)
             (when (equal (plist-get theirs :content) (tenets--note-text))
               (set-buffer-modified-p nil))
             (funcall then))
            ((buffer-modified-p) (tenets--note-differs theirs))
            (t (tenets--note-reread theirs)))))))

(defun tenets--note-differs (theirs)
  "Tell the user that this note is THEIRS now."
  (setq tenets--theirs theirs)
  (force-mode-line-update)
  (tenets--say "%s; your text is still here"
               (if (eq theirs 'gone)
                   "this note was deleted meanwhile"
                 "this note was changed meanwhile")))

(defun tenets--note-reread (theirs)
  "Replace the text of this buffer, which was not changed, by that of THEIRS."
  (let ((position (point))
        (inhibit-read-only t))
    (erase-buffer)
    (insert (plist-get theirs :content))
    (goto-char (min position (point-max))))
  (setq tenets--note theirs
        tenets--theirs nil)
  (set-buffer-modified-p nil))

(defun tenets--note-save ()
  "Save the note of this buffer, for `save-buffer'."
  (if (and tenets--theirs (plist-get tenets--note :id))
      (tenets--note-differs tenets--theirs)
    (tenets--note-write (plist-get tenets--note :state)
                        (lambda () (tenets--say "saved"))))
  t)

(defun tenets--note-close ()
  "Close the buffer of a note that is saved."
  (if (buffer-modified-p)
      (tenets--say "saved, but for what you have typed since")
    (tenets--say "saved")
    (tenets--note-quit)))

(defun tenets--note-quit ()
  "Kill the buffer of a note, and its window if that was made for it."
  (let ((buffer (current-buffer)))
    (when-let ((theirs (get-buffer (tenets--theirs-name))))
      (kill-buffer theirs))
    (set-buffer-modified-p nil)
    (if-let ((window (get-buffer-window buffer t)))
        (quit-window t window)
      (kill-buffer buffer))))

(defun tenets-note-finish ()
  "Save the note of this buffer, and close it."
  (interactive nil tenets-note-edit-mode)
  (cond (tenets--theirs (tenets--note-differs tenets--theirs))
        ((and (plist-get tenets--note :id) (not (buffer-modified-p)))
         (tenets--note-quit))
        (t (tenets--note-write (plist-get tenets--note :state)
                               #'tenets--note-close))))

(defun tenets-note-overwrite ()
  "Save the text of this buffer although somebody else has changed the note.
If the note was deleted, add the text as a new one."
  (interactive nil tenets-note-edit-mode)
  (pcase tenets--theirs
    ('nil (user-error "Nobody has changed this note meanwhile"))
    ('gone
     (setq tenets--note
           (append (tenets--new-note
                    (list :sessionId (plist-get tenets--note :sessionId))
                    (plist-get tenets--note :kind))
                   (when-let ((location (plist-get tenets--note :location)))
                     (list :location location)))
           tenets--theirs nil)
     (tenets--note-write nil #'tenets--note-close))
    (theirs (tenets--note-write (plist-get theirs :state)
                                #'tenets--note-close))))

(defun tenets--theirs-name ()
  "Return the name of the buffer with what somebody else made of this note."
  (format "*tenets note %s, theirs*" (plist-get tenets--note :id)))

(defun tenets-note-compare ()
  "Compare the text of this buffer with what somebody else made of the note."
  (interactive nil tenets-note-edit-mode)
  (unless (plist-get tenets--theirs :content)
    (user-error "There is no other text of this note"))
  (let ((mine (current-buffer))
        (theirs (get-buffer-create (tenets--theirs-name)))
        (content (plist-get tenets--theirs :content)))
    (with-current-buffer theirs
      (let ((inhibit-read-only t))
        (erase-buffer)
        (insert content))
      (set-buffer-modified-p nil)
      (setq buffer-read-only t))
    (ediff-buffers theirs mine)))

(defun tenets-note-cancel ()
  "Give up what was written, and close the buffer of this note."
  (interactive nil tenets-note-edit-mode)
  (when (or (not (buffer-modified-p))
            (yes-or-no-p "Give up what you have written? "))
    (tenets--note-quit)))

(defun tenets--note-follow (batch)
  "Look at the note of this buffer again if it is in BATCH, a list or t."
  (let ((id (plist-get tenets--note :id))
        (revision (or (plist-get tenets--note :revision) -1)))
    (when (and id
               (not tenets--is-being-saved)
               (or (eq batch t)
                   (seq-find (lambda (change)
                               (and (> (plist-get change :revision) revision)
                                    (or (eql (plist-get change :contextId) id)
                                        (and (eql (plist-get change :sessionId)
                                                  (plist-get tenets--note
                                                             :sessionId))
                                             (member (plist-get change :type)
                                                     '("deleted" "reset"
                                                       "restored"))))))
                             batch)))
      ;; If the text is still that which was read, it was our own change, or of
      ;; something else than the text.
      (tenets--note-look (plist-get tenets--note :content) #'ignore))))

;;;; The notes of a session

(defvar-local tenets--source nil
  "What this buffer shows: a session, a plist, or words that were searched.")

(defvar-local tenets--shown nil
  "Page of notes that this buffer shows, as the server has sent it.")

(defvar-local tenets--most nil
  "Number of notes that this buffer shows at most.")

(defvar-local tenets--problem nil
  "Why this buffer shows no notes, or nil.")

(defvar-local tenets--is-loading nil
  "Whether notes were asked for; `again' if that is to be done once more.")

(defvar-local tenets--wanted nil
  "Id of the note to go to once it is there.")

(defconst tenets--longest 10000
  "Characters of one note that are shown in the buffer of notes.")

(defvar tenets-notes-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map "n" #'tenets-notes-next)
    (define-key map "p" #'tenets-notes-previous)
    (define-key map (kbd "RET") #'tenets-notes-visit)
    (define-key map "e" #'tenets-notes-edit)
    (define-key map "a" #'tenets-notes-add)
    (define-key map "d" #'tenets-notes-delete)
    (define-key map "u" #'tenets-undo)
    (define-key map "s" #'tenets-search)
    map)
  "Keymap of `tenets-notes-mode'.")

(define-derived-mode tenets-notes-mode special-mode "Tenets"
  "Major mode for the notes of a session.

\\{tenets-notes-mode-map}"
  (setq-local revert-buffer-function (lambda (&rest _) (tenets--reload))
              imenu-create-index-function #'tenets--imenu
              header-line-format '(:eval (tenets--notes-header)))
  (setq buffer-undo-list t
        tenets--most tenets-notes-count))

(defun tenets--notes-header ()
  "Return the header line of a buffer of notes."
  (string-replace
   "%" "%%"
   (cond
    (tenets--told-lost
     (propertize "Disconnected: this may be out of date" 'face 'tenets-problem))
    ((stringp tenets--source)
     (format "Notes and sessions with: %s" tenets--source))
    (t (let* ((id (plist-get tenets--source :id))
              (current (tenets--current))
              (count (length (plist-get tenets--shown :entries))))
         (concat (bidi-string-mark-left-to-right
                  (plist-get tenets--source :name))
                 (cond ((eql id (plist-get tenets--active :id)) " (active)")
                       ((eql id (tenets--get current :session :id))
                        " (current here)")
                       (t ""))
                 (cond ((not tenets--shown) "")
                       ((plist-get tenets--shown :nextCursor)
                        (format ", the newest %s" (tenets--count count "note")))
                       (t (format ", %s" (tenets--count count "note"))))))))))

(defun tenets--title (entry)
  "Return what ENTRY is called where there is one line for it."
  (let ((preview (replace-regexp-in-string
                  "\\`#+ +" "" (or (plist-get entry :preview) ""))))
    (if (string-empty-p preview) (plist-get entry :kind) preview)))

(defun tenets--lines (entry)
  "Return the lines of the location of ENTRY, from 1, as a cons; or nil."
  (when-let ((range (tenets--get entry :location :range)))
    (let* ((start (tenets--get range :start :line))
           (end (plist-get range :end))
           (last (plist-get end :line)))
      (cons (1+ start)
            (if (and (zerop (plist-get end :character)) (> last start))
                last
              (1+ last))))))

(defun tenets--place (entry)
  "Return the place of ENTRY for the user, or nil."
  (when-let ((uri (tenets--get entry :location :uri)))
    (let ((name (file-name-nondirectory (or (tenets--file uri) uri))))
      (pcase (tenets--lines entry)
        (`(,first . ,last)
         (format (if (= first last) "%s:%d" "%s:%d-%d") name first last))
        (_ name)))))

(defun tenets--details (entry)
  "Return author, age and place of ENTRY for the user."
  (string-join (delq nil (list (plist-get entry :author)
                               (tenets--age (plist-get entry :createdAt))
                               (and (plist-get entry :updatedAt) "changed")
                               (tenets--place entry)))
               ", "))

(defun tenets--body (entry)
  "Return the text of ENTRY for the buffer of notes."
  (let* ((text (plist-get entry :content))
         (more (- (length text) tenets--longest)))
    (cond ((not text)
           (format "%s\n(%s: too large to be shown here)"
                   (plist-get entry :preview)
                   (file-size-human-readable (plist-get entry :size))))
          ((> more 0)
           (format "%s\n(%s)" (substring text 0 tenets--longest)
                   (tenets--count more "more character")))
          (t (string-trim-right text)))))

(defun tenets--insert-note (entry heading text)
  "Insert ENTRY, a note, with HEADING and TEXT.
Or ENTRY is the session that a search has found, and TEXT is nil."
  (let ((start (point)))
    (insert (propertize heading 'face 'tenets-heading))
    (when text
      (insert (propertize (concat ", " (tenets--details entry))
                          'face 'tenets-details)
              "\n"
              (propertize text 'line-prefix "  " 'wrap-prefix "  ")))
    (insert "\n\n")
    (put-text-property start (point) 'tenets-note entry)))

(defun tenets--insert-hit (hit)
  "Insert HIT of a search."
  (let ((session (or (tenets--get hit :session :name) "no session")))
    (if-let ((entry (plist-get hit :entry)))
        (tenets--insert-note
         entry (format "%s: %s" session (plist-get entry :kind))
         (tenets--snippet hit))
      (tenets--insert-note (list :sessionName session)
                           (concat "session " session) nil))))

(defun tenets--note-at (&optional position)
  "Return the note at POSITION, by default at point, or nil."
  (let ((position (or position (point))))
    (get-text-property (if (= position (point-max))
                           (max (point-min) (1- position))
                         position)
                       'tenets-note)))

(defun tenets--note-start (position)
  "Return where the note at POSITION begins."
  (if (and (> position (point-min)) (eq (tenets--note-at position)
                                        (get-text-property (1- position)
                                                           'tenets-note)))
      (or (previous-single-property-change position 'tenets-note) (point-min))
    position))

(defun tenets--position-of (id)
  "Return where the note with the id ID begins, or nil."
  (let ((position (point-min)))
    (while (and position
                (not (eql (plist-get (tenets--note-at position) :id) id)))
      (setq position (next-single-property-change position 'tenets-note)))
    position))

(defun tenets--mark (position)
  "Return a mark of POSITION that is valid when the notes are inserted anew."
  (let ((start (tenets--note-start position)))
    (list (plist-get (tenets--note-at position) :id) (- position start)
          position)))

(defun tenets--unmark (mark)
  "Return the position that MARK means now."
  (pcase-let ((`(,id ,offset ,position) mark))
    (let ((start (and id (tenets--position-of id))))
      (if start
          (min (+ start offset)
               (or (next-single-property-change start 'tenets-note)
                   (point-max)))
        (tenets--note-start (min position (point-max)))))))

(defun tenets--render ()
  "Insert the notes of this buffer anew.  Each window stays at its note."
  (let ((windows (mapcar (lambda (window)
                           (list window (tenets--mark (window-point window))
                                 ;; At the top, new notes are to be seen.
                                 (and (> (window-start window) (point-min))
                                      (tenets--mark (window-start window)))))
                         (get-buffer-window-list nil nil t)))
        (here (tenets--mark (point)))
        (inhibit-read-only t))
    (erase-buffer)
    (cond (tenets--problem
           (insert (propertize tenets--problem 'face 'tenets-problem) "\n"))
          ((stringp tenets--source)
           (mapc #'tenets--insert-hit (plist-get tenets--shown :hits)))
          (t (dolist (entry (plist-get tenets--shown :entries))
               (tenets--insert-note entry (plist-get entry :kind)
                                    (tenets--body entry)))
             (when (plist-get tenets--shown :nextCursor)
               (insert-text-button "Show more notes" 'follow-link t
                                   'action #'tenets--show-more)
               (insert "\n"))))
    (when (and (= (point-min) (point-max)) tenets--shown)
      (insert (substitute-command-keys
               (if (stringp tenets--source)
                   "Nothing was found.\n"
                 (concat "There are no notes.  \\<tenets-notes-mode-map>"
                         "\\[tenets-notes-add] adds one.\n")))))
    (let ((wanted (and tenets--wanted (tenets--position-of tenets--wanted))))
      (goto-char (or wanted (tenets--unmark here)))
      (pcase-dolist (`(,window ,point ,start) windows)
        (set-window-start window (if start (tenets--unmark start) 1) t)
        (set-window-point window (or wanted (tenets--unmark point))))
      (when wanted (setq tenets--wanted nil)))))

(defun tenets--show-more (_button)
  "Show more notes."
  (setq tenets--most (+ tenets--most tenets-notes-count))
  (tenets--reload))

(defun tenets--reload ()
  "Ask for the notes of this buffer, and show them."
  (if tenets--is-loading
      (setq tenets--is-loading 'again)
    (setq tenets--is-loading t)
    (let ((done (tenets--in-buffer (lambda (page) (tenets--loaded page nil))))
          (failed (tenets--in-buffer
                   (lambda (problem) (tenets--loaded nil problem)))))
      (if (stringp tenets--source)
          (tenets--request "search" (list :query tenets--source
                                          :limit (min 200 tenets--most))
                           done :failed failed)
        (let ((id (plist-get tenets--source :id)))
          (tenets--request "get"
                           (list :sessionId id :includeMetadata :json-false)
                           (tenets--in-buffer #'tenets--take-name)
                           :failed #'ignore)
          (tenets--load-pages id tenets--most nil nil done failed))))))

(defun tenets--loaded (page problem)
  "Show PAGE, or PROBLEM, in this buffer of notes."
  (let ((again (eq tenets--is-loading 'again))
        (kind (tenets--kind problem)))
    (setq tenets--is-loading nil)
    (unless (equal kind "connectionLost")
      (setq tenets--shown page
            tenets--problem (if (equal kind "sessionNotFound")
                                "This session is gone.  u may bring it back."
                              (plist-get problem :message)))
      (tenets--render))
    (cond (again (tenets--reload))
          ((and tenets--wanted page)
           ;; It is older than those that are shown.
           (tenets--edit-id tenets--wanted)
           (setq tenets--wanted nil)))))

(defun tenets--take-name (session)
  "Take over the name of SESSION, which may have been renamed; nil: it is gone."
  (when session
    (let ((name (plist-get session :name)))
      (unless (equal name (plist-get tenets--source :name))
        (setq tenets--source session)
        (rename-buffer (format "*tenets: %s*" name) t)))))

(defun tenets--load-pages (session count cursor entries done failed)
  "Ask for COUNT notes of SESSION, an id, after those of CURSOR.
Call DONE with a page that has ENTRIES, too, or FAILED with a problem.
A page ends early where its notes are large."
  (tenets--request
   "listContext"
   (append (list :sessionId session :order "newest"
                 :limit (min tenets--page count))
           (and cursor (list :cursor cursor)))
   (lambda (page)
     (let* ((found (plist-get page :entries))
            (all (append entries found nil))
            (left (- count (length found)))
            (next (plist-get page :nextCursor)))
       (if (and next (> left 0))
           (tenets--load-pages session left next all done failed)
         (funcall done (list :entries all :nextCursor next
                             :state (plist-get page :state))))))
   :failed failed))

(defun tenets--imenu ()
  "Return the index of the notes, for imenu."
  (let ((position (point-min))
        index)
    (while (and position (< position (point-max)))
      (when-let ((note (tenets--note-at position)))
        (push (cons (if (plist-get note :id)
                        (tenets--title note)
                      (plist-get note :sessionName))
                    position)
              index))
      (setq position (next-single-property-change position 'tenets-note)))
    (nreverse index)))

(defun tenets--follow (batch)
  "Show in the buffers of notes what has changed: BATCH."
  (let ((changes (append (plist-get batch :changes) nil))
        (everything (plist-get batch :incomplete)))
    (dolist (buffer (buffer-list))
      (with-current-buffer buffer
        (cond
         (tenets-note-edit-mode
          (tenets--note-follow (or everything changes)))
         ((derived-mode-p 'tenets-notes-mode)
          (when (or everything (seq-some #'tenets--concerns-p changes))
            (tenets--reload))))))))

(defun tenets--concerns-p (change)
  "Return non-nil if CHANGE concerns this buffer."
  (let ((id (plist-get change :contextId)))
    (unless (member (plist-get change :type)
                    '("activated" "deactivated" "updated"))
      (if (stringp tenets--source)
          (or (not id) (tenets--position-of id))
        (eql (plist-get change :sessionId) (plist-get tenets--source :id))))))

(defun tenets--notes-buffer (source)
  "Return the buffer of notes for SOURCE, or nil.
There is one for each session, and one for searches."
  (let ((id (and (listp source) (plist-get source :id))))
    (seq-find (lambda (buffer)
                (let ((shown (buffer-local-value 'tenets--source buffer)))
                  (cond ((stringp source) (stringp shown))
                        ((listp shown) (eql (plist-get shown :id) id)))))
              (buffer-list))))

(defun tenets--show-notes (source &optional id)
  "Show the notes of SOURCE, a session or words that were searched.
Go to the note with the id ID."
  (let ((buffer (or (tenets--notes-buffer source)
                    (generate-new-buffer
                     (if (stringp source)
                         "*tenets search*"
                       (format "*tenets: %s*" (plist-get source :name)))))))
    (with-current-buffer buffer
      (unless (derived-mode-p 'tenets-notes-mode)
        (tenets-notes-mode))
      (setq tenets--source source
            tenets--wanted id)
      ;; An older note may not be among the newest ones.
      (when id (setq tenets--most (max tenets--most tenets--page)))
      (tenets--reload))
    (tenets--show buffer)))

;;;###autoload
(defun tenets-notes (&optional name choose)
  "Show the notes of the session NAME, by default of the current one.
With a prefix argument, which is CHOOSE, choose it from a list."
  (interactive (list nil current-prefix-arg))
  (cond
   (name (tenets--request
          "get" (list :name name :includeMetadata :json-false)
          (lambda (session)
            (if session
                (tenets--show-notes session)
              (tenets--say "there is no session named %s" name)))))
   (choose (tenets--pick-session "Notes of session" nil #'tenets-notes))
   (t (tenets--ask-server
       "getCurrent" (tenets--of-folder)
       (lambda (result)
         (if-let ((session (plist-get result :session)))
             (tenets--show-notes session)
           (tenets-notes nil t)))))))

(defun tenets--this-note ()
  "Return the note at point, which has to be one."
  (let ((note (tenets--note-at)))
    (unless (plist-get note :id) (user-error "There is no note here"))
    note))

(defun tenets-notes-next ()
  "Go to the next note."
  (interactive nil tenets-notes-mode)
  (let ((next (next-single-property-change (point) 'tenets-note)))
    (if (and next (< next (point-max)))
        (goto-char next)
      (user-error "This is the last note"))))

(defun tenets-notes-previous ()
  "Go to the beginning of this note, or to the previous one."
  (interactive nil tenets-notes-mode)
  (let ((start (tenets--note-start (point))))
    (cond ((< start (point)) (goto-char start))
          ((= start (point-min)) (user-error "This is the first note"))
          (t (goto-char (tenets--note-start (1- start)))))))

(defun tenets-notes-edit ()
  "Edit the note at point."
  (interactive nil tenets-notes-mode)
  (tenets--edit-id (plist-get (tenets--this-note) :id)))

(defun tenets-notes-add ()
  "Add a note to this session."
  (interactive nil tenets-notes-mode)
  (tenets--show
   (tenets--edit (tenets--new-note
                  (and (listp tenets--source)
                       (list :sessionId (plist-get tenets--source :id)))))))

(defun tenets-notes-delete ()
  "Delete the note at point.
\\<tenets-notes-mode-map>\\[tenets-undo] brings it back."
  (interactive nil tenets-notes-mode)
  (let ((note (tenets--this-note)))
    (tenets--request
     "removeContext"
     (list :id (plist-get note :id) :ifState (plist-get tenets--shown :state))
     (lambda (_)
       (tenets--say "deleted \"%s\"; u brings it back" (tenets--title note)))
     :failed (lambda (problem)
               (if (equal (tenets--kind problem) "conflict")
                   (tenets--say "not deleted: this note was changed meanwhile")
                 (tenets--fail problem))))))

(defun tenets-notes-visit ()
  "Go to the place of the note at point, in the text as it is.
In the result of a search, show the note in its session if it has no
place.  A session is switched to."
  (interactive nil tenets-notes-mode)
  (let ((note (tenets--note-at)))
    (cond ((not note) (push-button))
          ((not (plist-get note :id))
           (tenets-switch (plist-get note :sessionName)))
          ((plist-get note :location) (tenets--visit-place note))
          ((stringp tenets--source) (tenets--show-note note))
          (t (user-error "This note has no place; e edits it")))))

(defun tenets--show-note (note)
  "Show NOTE among the notes of its session."
  (if (plist-get note :sessionName)
      (tenets--show-notes (list :id (plist-get note :sessionId)
                                :name (plist-get note :sessionName))
                          (plist-get note :id))
    (tenets--edit-id (plist-get note :id))))

;;;; Notes at their lines

(defvar xref-show-xrefs-function)

(defconst tenets--largest-text 1048576
  "Characters of the largest text that the server looks at.")

(defun tenets--locate (file then)
  "Look where the notes of FILE are, in its buffer if it has one.
Call THEN with a function that returns the line of a note, from 1, by
its id; nil if the note has lost its line."
  (let* ((buffer (find-buffer-visiting file))
         (text (and buffer (with-current-buffer buffer (tenets--buffer-text)))))
    (if (> (length text) tenets--largest-text)
        (funcall then #'ignore)
      (tenets--request
       "locate"
       (append (list :uri (tenets--uri file)) (and text (list :text text)))
       (lambda (result)
         (let ((placed (append (plist-get result :placed) nil)))
           (funcall then
                    (lambda (id)
                      (when-let ((one (seq-find (lambda (one)
                                                  (eql (plist-get one :id) id))
                                                placed)))
                        (1+ (tenets--get one :range :start :line)))))))
       :failed (lambda (problem)
                 (if (equal (tenets--kind problem) "limitExceeded")
                     (funcall then #'ignore)
                   (tenets--fail problem)))))))

(defun tenets--visit-place (note)
  "Go to the place of NOTE."
  (let* ((uri (tenets--get note :location :uri))
         (file (tenets--file uri))
         (before (car (tenets--lines note))))
    (unless (and file (file-exists-p file))
      (user-error "There is no file %s on this machine" (or file uri)))
    (tenets--locate
     file
     (lambda (line-of)
       (let ((line (funcall line-of (plist-get note :id))))
         ;; Emacs may have a question about the file.
         (tenets--prompt
          (lambda ()
            (pop-to-buffer (find-file-noselect file))
            (push-mark nil t)
            (cond (line (tenets--go-to-line line))
                  (before
                   (tenets--say "the lines of this note are gone; was line %d"
                                before))))))))))

(defun tenets--go-to-line (line)
  "Go to LINE, also if it is not in the narrowed part of the buffer."
  (let ((position (save-restriction
                    (widen)
                    (goto-char (point-min))
                    (forward-line (1- line))
                    (point))))
    (unless (<= (point-min) position (point-max)) (widen))
    (goto-char position)))

;;;###autoload
(defun tenets-file-notes ()
  "List the notes of this file at their lines.
Notes that have lost their lines come last."
  (interactive)
  (let ((file (or (tenets--buffer-file)
                  (user-error "This buffer visits no file of this machine"))))
    (tenets--request
     "listContext"
     (list :uri (tenets--uri file) :includeContent :json-false :limit 1000)
     (lambda (page)
       (let ((entries (append (plist-get page :entries) nil)))
         (if (null entries)
             (tenets--say "this file has no notes")
           (tenets--locate file
                           (lambda (line-of)
                             (tenets--show-xrefs file entries line-of)))))))))

(defun tenets--show-xrefs (file entries line-of)
  "List ENTRIES of FILE at their lines; LINE-OF is a function from id to line."
  (require 'xref)
  (let (placed lost)
    (dolist (entry entries)
      (let ((line (funcall line-of (plist-get entry :id)))
            (before (car (tenets--lines entry)))
            (text (format "%s (%s)" (tenets--title entry)
                          (or (plist-get entry :sessionName) "no session"))))
        (if (and before (not line))
            (push (xref-make (format "was line %d: %s" before text)
                             (xref-make-bogus-location
                              "The lines of this note are gone"))
                  lost)
          (unless line
            (setq line 1
                  text (concat "whole file: " text)))
          ;; The xref buffer has one row for a line.
          (push text (alist-get line placed)))))
    (let ((xrefs (append
                  (mapcar (lambda (one)
                            (xref-make (string-join (reverse (cdr one)) "; ")
                                       (xref-make-file-location
                                        file (car one) 0)))
                          (sort placed #'car-less-than-car))
                  (nreverse lost))))
      (xref-push-marker-stack)
      (funcall xref-show-xrefs-function (lambda () xrefs)
               `((window . ,(selected-window)) (display-action) (auto-jump))))))

;;;; Search

(defvar tenets-search-history nil
  "History of `tenets-search'.")

(defun tenets--utf-16-index (string units)
  "Return the index in STRING of what begins after UNITS of UTF-16."
  (let ((bytes (encode-coding-string string 'utf-16le)))
    (length (decode-coding-string
             (substring bytes 0 (min (* 2 units) (length bytes)))
             'utf-16le))))

(defun tenets--snippet (hit)
  "Return the text of HIT, with what was found highlighted."
  (let ((snippet (copy-sequence (plist-get hit :snippet))))
    (mapc (lambda (match)
            (add-face-text-property (tenets--utf-16-index snippet
                                                          (aref match 0))
                                    (tenets--utf-16-index snippet
                                                          (aref match 1))
                                    'tenets-match nil snippet))
          (plist-get hit :matches))
    snippet))

(defun tenets--hit-name (hit)
  "Return what HIT is called in a list; no two have one name."
  (let ((entry (plist-get hit :entry)))
    (concat (tenets--snippet hit)
            (and entry
                 (propertize (format " #%d" (plist-get entry :id))
                             'face 'shadow)))))

(defun tenets--open-hit (hit)
  "Show the note of HIT, or switch to its session."
  (if-let ((entry (plist-get hit :entry)))
      (tenets--show-note entry)
    (tenets-switch (tenets--get hit :session :name))))

(defun tenets--look (words)
  "Search for WORDS, and wait a moment; return the hits, or `late'."
  (let ((hits 'late))
    (unless (string-blank-p words)
      (tenets--request "search" (list :query words)
                       (lambda (result)
                         (setq hits (append (plist-get result :hits) nil)))
                       :failed (lambda (_) (setq hits nil))))
    (tenets--wait (if (string-blank-p words) 0 tenets--patience)
                  (lambda () (listp hits)))
    hits))

(defun tenets--search-table (found)
  "Return a completion table of the hits of a search.
They are put into FOUND, a hash table, by the names of the candidates."
  (let (looked candidates)
    (lambda (string _predicate action)
      (pcase action
        ('metadata
         (tenets--metadata
          'tenets-hit
          (lambda (name)
            (let* ((hit (gethash name found))
                   (entry (plist-get hit :entry)))
              (list "" (if entry
                           (format "%s, %s"
                                   (or (tenets--get hit :session :name)
                                       "no session")
                                   (tenets--age (plist-get entry :createdAt)))
                         "session"))))))
        (`(boundaries . ,_) nil)
        ('lambda (and (gethash string found) t))
        (_
         (unless (or (equal string looked) (gethash string found))
           (let ((hits (while-no-input (tenets--look string))))
             (when (listp hits)
               (setq looked string
                     candidates (mapcar (lambda (hit)
                                          (let ((name (tenets--hit-name hit)))
                                            (puthash name hit found)
                                            name))
                                        hits)))))
         (if (eq action t)
             (copy-sequence candidates)
           (and candidates string)))))))

(defun tenets--all-completions (string table predicate _point)
  "Return all that TABLE has for STRING: the server has chosen.
PREDICATE is as for `all-completions'."
  (all-completions string table predicate))

(defun tenets--try-completion (string table predicate point)
  "Return STRING and POINT as they are if TABLE has anything for them.
PREDICATE is as for `try-completion'."
  (and (or (test-completion string table predicate)
           (all-completions string table predicate))
       (cons string point)))

;;;###autoload
(defun tenets-search (&optional words)
  "Find notes and sessions that have all of WORDS.
Interactively, completion shows what is found as you type, or when you
press TAB.  Choose a note to see it in its session, or a session to
switch to it.  If you choose none, a buffer shows all that was found."
  (interactive)
  (if words
      (tenets--show-notes words)
    (tenets--ask-server
     "getActive" '(:includeMetadata :json-false) ; the server has to be there
     (lambda (_)
       (let* ((found (make-hash-table :test #'equal))
              (completion-styles-alist
               (cons '(tenets tenets--try-completion tenets--all-completions
                              "Full-text search.")
                     completion-styles-alist))
              (completion-category-overrides
               (cons '(tenets-hit (styles tenets))
                     completion-category-overrides))
              (words (tenets--read "Search notes: "
                                   (tenets--search-table found)
                                   nil 'tenets-search-history))
              (hit (gethash words found)))
         (cond (hit (tenets--open-hit hit))
               ((not (string-blank-p words)) (tenets--show-notes words))))))))

;;;; What others did

(defconst tenets--change-texts
  '(("activated" . "made active")
    ("bound" . "bound to a folder")
    ("contextAdded" . "note added")
    ("contextRemoved" . "note deleted")
    ("contextUpdated" . "note changed")
    ("created" . "session created")
    ("deactivated" . "left")
    ("deleted" . "session deleted")
    ("renamed" . "renamed")
    ("reset" . "all notes deleted")
    ("restored" . "brought back")
    ("updated" . "changed"))
  "What each type of change is called.")

;;;###autoload
(defun tenets-changes ()
  "List what others did since you left Emacs, or since you asked last."
  (interactive)
  (if tenets--has-remembered
      (tenets--load-changes tenets--seen nil)
    ;; The state is known once the server is there.
    (tenets--request "getActive" '(:includeMetadata :json-false)
                     (lambda (_) (tenets--load-changes tenets--seen nil)))))

(defun tenets--load-changes (state found)
  "Ask what others did after STATE, and list it after what was FOUND."
  (tenets--request
   "changes" (append (list :sinceState state :limit 1000)
                     (and tenets--author (list :notAuthor tenets--author)))
   (lambda (page)
     (let ((all (append found (plist-get page :changes) nil)))
       (if (plist-get page :truncated)
           (tenets--load-changes (plist-get page :state) (last all 1000))
         (tenets--see (plist-get page :state))
         (tenets--name-changes (nreverse (last all 1000))))))
   :failed (lambda (problem)
             (if (not (equal (tenets--kind problem) "revisionExpired"))
                 (tenets--fail problem)
               (tenets--see (tenets--get problem :data :state))
               (tenets--say "so much has changed that it cannot be listed")))))

(defun tenets--see (state)
  "Remember that the user has seen STATE."
  (setq tenets--seen state)
  (tenets--write-state state (plist-get (tenets--read-state) :unsent)))

(defun tenets--name-changes (found)
  "Ask for the notes in FOUND, and list them."
  (let ((ids (delete-dups (delq nil
                                (mapcar (lambda (one)
                                          (plist-get one :contextId)) found)))))
    (cond ((null found) (tenets--say "nothing has changed"))
          ((null ids) (tenets--list-changes found nil))
          (t (tenets--request
              "listContext"
              (list :ids (vconcat ids) :includeContent :json-false :limit 1000)
              (lambda (page)
                (tenets--list-changes found
                                      (append (plist-get page :entries)
                                              nil))))))))

(defun tenets--list-changes (found entries)
  "List what was FOUND; ENTRIES has those notes of it that exist."
  (let ((buffer (get-buffer-create "*tenets changes*"))
        (by-id (make-hash-table)))
    (dolist (entry entries)
      (puthash (plist-get entry :id) entry by-id))
    (with-current-buffer buffer
      (special-mode)
      (setq header-line-format "What others did, the newest first")
      (let ((inhibit-read-only t))
        (erase-buffer)
        (dolist (change found)
          (let* ((type (plist-get change :type))
                 (entry (gethash (plist-get change :contextId) by-id)))
            (insert (format "%s: %s"
                            (or (plist-get change :sessionName)
                                "a session that is gone")
                            (or (cdr (assoc type tenets--change-texts)) type)))
            (when-let ((author (plist-get change :author)))
              (insert (format " by %s" author)))
            (when-let ((folder (plist-get change :folder)))
              (insert (format " (%s)" (tenets--folder-name folder))))
            (when entry
              (insert ": ")
              (insert-text-button (tenets--title entry) 'follow-link t
                                  'action (lambda (_)
                                            (tenets--show-note entry))))
            (insert "\n")))
        (goto-char (point-min))))
    (tenets--show buffer)))

;;;; Keys

;;;###autoload (autoload 'tenets-command-map "tenets" nil t 'keymap)
(defvar tenets-command-map
  (let ((map (make-sparse-keymap)))
    (pcase-dolist (`(,key . ,command)
                   '(("s" . tenets-switch)
                     ("c" . tenets-create)
                     ("x" . tenets-exit)
                     ("i" . tenets-status)
                     ("n" . tenets-note)
                     ("a" . tenets-add-region)
                     ("l" . tenets-notes)
                     ("o" . tenets-file-notes)
                     ("f" . tenets-search)
                     ("b" . tenets-bind)
                     ("B" . tenets-unbind)
                     ("r" . tenets-rename)
                     ("w" . tenets-copy)
                     ("k" . tenets-delete)
                     ("u" . tenets-undo)
                     ("t" . tenets-trash)
                     ("e" . tenets-export)
                     ("h" . tenets-changes)))
      (define-key map key command))
    map)
  "Keymap of all commands; bind it to a prefix.")
(fset 'tenets-command-map tenets-command-map)

(provide 'tenets)
;;; tenets.el ends here
