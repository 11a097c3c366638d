;;; tenets-tests.el --- Tests of tenets.el  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The tenets-session-server authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; They need `tenets-session-server' and `tenets-session' on the PATH.  Each
;; test has a real server, with a database in a temporary folder:
;;
;;     emacs -Q --batch -L . -l tenets-tests.el -f ert-run-tests-batch-and-exit

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'tenets)
(require 'xref)

(defconst tenets-tests-deadline 60
  "Seconds within which anything awaited has to happen; machines are shared.")

(defvar tenets-tests-database nil
  "The database of the test.")

(defvar tenets-tests-said nil
  "What was said to the user, the last message first.")

(defun tenets-tests-hear (format &rest arguments)
  "Take down a message: FORMAT with ARGUMENTS."
  (push (apply #'format format arguments) tenets-tests-said))

(advice-add 'tenets--say :before #'tenets-tests-hear)

(defmacro tenets-tests-until (&rest body)
  "Wait until BODY returns non-nil, and return that."
  `(or (tenets--wait tenets-tests-deadline (lambda () ,@body))
       (ert-fail (list "this never came true" ',body tenets-tests-said))))

(defun tenets-tests-told (text)
  "Wait for a message with TEXT, and forget all that were there."
  (tenets-tests-until (seq-find (lambda (one) (string-search text one))
                                tenets-tests-said))
  (setq tenets-tests-said nil))

(defun tenets-tests-other (&rest arguments)
  "Run `tenets-session' with ARGUMENTS, as another client; return its output."
  (with-temp-buffer
    (setq default-directory temporary-file-directory)
    (let ((status (apply #'call-process "tenets-session" nil t nil
                         "--database" tenets-tests-database arguments)))
      (unless (eql status 0)
        (ert-fail (list arguments status (buffer-string))))
      (buffer-string))))

(defun tenets-tests-notes (session)
  "Return the notes of SESSION that are in the database."
  (append (plist-get (tenets--decode
                      (tenets-tests-other "show" "--json" session))
                     :entries)
          nil))

(defun tenets-tests-contents (session)
  "Return the contents of the notes of SESSION that are in the database."
  (mapcar (lambda (note) (plist-get note :content))
          (tenets-tests-notes session)))

(defun tenets-tests-process ()
  "Return the process of the server."
  tenets--server)

(defun tenets-tests-daemon ()
  "Return the process id of the daemon that does the work."
  (with-temp-buffer
    (setq default-directory temporary-file-directory)
    (call-process "tenets-session-server" nil t nil
                  "status" "--json" "--database" tenets-tests-database)
    (goto-char (point-min))
    (plist-get (json-parse-buffer :object-type 'plist) :pid)))

(defun tenets-tests-end-server ()
  "End the connection of a test; then the daemon ends by itself."
  (when-let ((process (tenets-tests-process)))
    (set-process-sentinel process #'ignore)
    (delete-process process)))

(defmacro tenets-tests-with (&rest body)
  "Run BODY in a temporary folder, as if the package was just loaded."
  (declare (indent 0))
  `(let* ((folder (file-truename (make-temp-file "tenets-" t)))
          (default-directory (file-name-as-directory folder))
          (tenets-tests-database (expand-file-name "tenets.db" folder))
          (tenets-tests-said nil)
          (tenets-server-command
           (list "tenets-session-server" "--database" tenets-tests-database
                 "--idle-timeout" "0.5"))
          (tenets-state-file (expand-file-name "state.eld" folder))
          (tenets-changed-functions nil)
          (tenets-mode t)
          (tenets--jobs nil) (tenets--phase nil) (tenets--server nil)
          (tenets--waiting nil) (tenets--sent nil) (tenets--timer nil)
          (tenets--delay (car tenets--delays)) (tenets--told-lost nil)
          (tenets--warnings nil) (tenets--author nil) (tenets--leaving nil)
          (tenets--revision -1) (tenets--state nil) (tenets--active nil)
          (tenets--trouble nil)
          (tenets--folders (make-hash-table :test #'equal))
          (tenets--told nil) (tenets--seen nil) (tenets--has-remembered nil)
          (make-backup-files nil) (create-lockfiles nil)
          (buffers (buffer-list)))
     (unwind-protect
         (with-temp-buffer
           ,@body)
       (when tenets--timer (cancel-timer tenets--timer))
       (tenets-tests-end-server)
       (dolist (buffer (buffer-list))
         (unless (memq buffer buffers)
           (when (buffer-live-p buffer)
             (with-current-buffer buffer
               (set-buffer-modified-p nil))
             (kill-buffer buffer))))
       (delete-directory folder t))))

(defmacro tenets-tests-choosing (choice &rest body)
  "Run BODY; the user chooses CHOICE where there is a list."
  (declare (indent 1))
  `(let ((completing-read-function (lambda (&rest _) ,choice)))
     ,@body))

(defun tenets-tests-current ()
  "Return the name of the current session of this buffer.
It is `none' if there is none, and nil if it is not known."
  (when-let ((current (tenets--current)))
    (or (plist-get (plist-get current :session) :name) 'none)))

(defun tenets-tests-shown ()
  "Return what the mode line shows."
  (substring-no-properties (string-join (ensure-list (tenets--mode-line)))))

(defun tenets-tests-buffer (name)
  "Wait for the buffer NAME, and return it."
  (tenets-tests-until (get-buffer name)))

;;;; Texts

(ert-deftest tenets-tests-uris ()
  "A file name survives as a URI, and is encoded as everywhere else."
  (dolist (file '("/a/b.py" "/with space/100%.txt" "/ünïcode/𝄞/日本" "/a#b?c"
                  "/a\\b" "/a:b"))
    (should (equal (tenets--file (tenets--uri file)) file)))
  (should (equal (tenets--uri "/a b/ü%") "file:///a%20b/%C3%BC%25"))
  (should (equal (tenets--uri "c:/a") "file:///c:/a"))
  (should (equal (tenets--file "file://localhost/a%20b") "/a b"))
  (should (equal (tenets--file "/a b") "/a b"))
  (should-not (tenets--file "vscode-remote://ssh/a"))
  (should-not (tenets--file "/ssh:nowhere.invalid:/a")))

(ert-deftest tenets-tests-ages ()
  "Ages are in words."
  (let ((ago (lambda (seconds)
               (tenets--age (format-time-string "%FT%T.123456+00:00"
                                                (time-subtract nil seconds)
                                                t)))))
    (should (equal (funcall ago 5) "just now"))
    (should (equal (funcall ago 70) "1 minute ago"))
    (should (equal (funcall ago 7300) "2 hours ago"))
    (should (equal (funcall ago 864000) "1 week ago"))))

(ert-deftest tenets-tests-matches-are-in-utf-16 ()
  "What a search has found is highlighted behind a character of two units, too."
  (let ((snippet (tenets--snippet '(:snippet "𝄞 token" :matches [[3 8]]))))
    (should (eq (get-text-property 2 'face snippet) 'tenets-match))
    (should-not (get-text-property 1 'face snippet))))

;;;; The current session

(ert-deftest tenets-tests-follows-others ()
  "The mode line shows what is current, whoever has switched."
  (tenets-tests-with
    (let (told)
      (push (lambda (name) (push name told)) tenets-changed-functions)
      (set-window-buffer nil (current-buffer))
      (should (equal (tenets-tests-shown) "[tenets: ...] "))
      (tenets-create "100% new")
      (tenets-tests-until (equal (tenets-tests-shown) "[tenets: 100%% new] "))
      (should (string-prefix-p "100% new (active in every editor)"
                               (get-text-property 0
                                                  'help-echo
                                                  (nth 1 (tenets--mode-line)))))
      (tenets-tests-other "create" "--switch" "billing")
      (tenets-tests-until (equal (tenets-tests-shown) "[tenets: billing] "))
      (tenets-tests-other "exit")
      (tenets-tests-until (equal (tenets-tests-shown) "[tenets: no session] "))
      (should (equal (nreverse told) '("100% new" "billing" nil))))))

(ert-deftest tenets-tests-old-news-are-ignored ()
  "What is older than what was seen changes nothing."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-until (equal (tenets-tests-current) "billing"))
    (tenets-tests-until (> tenets--revision 0))
    (tenets--did-change (list :revision tenets--revision :changes []
                              :active nil))
    (should (equal (tenets-tests-current) "billing"))
    (let ((uri (tenets--folder)))
      (tenets--visited default-directory uri (list :revision 0 :session nil)))
    (tenets-tests-until (equal (tenets-tests-current) "billing"))))

(ert-deftest tenets-tests-error-in-hook ()
  "An error of a function of the user is shown, and breaks nothing."
  (tenets-tests-with
    (let (told)
      (setq tenets-changed-functions
            (list (lambda (_) (error "Not like this"))
                  (lambda (name) (push name told))))
      (set-window-buffer nil (current-buffer))
      (tenets-create "billing")
      (tenets-tests-told "Not like this")
      (should (equal told '("billing")))
      (tenets-create "review")
      (tenets-tests-until (equal told '("review" "billing"))))))

(ert-deftest tenets-tests-bound-folders ()
  "Each buffer shows the session of its directory."
  (tenets-tests-with
    (make-directory "app/src" t)
    (let ((app (expand-file-name "app/src/" default-directory)))
      (tenets-create "billing")
      (tenets-tests-told "created billing")
      (tenets-bind "review" (expand-file-name "app"))
      (tenets-tests-told "shows review as soon as there is a session")
      (tenets-tests-until (equal (tenets-tests-current) "billing"))
      (let ((default-directory app))
        (tenets-tests-until (equal (tenets-tests-current) "billing")))
      (tenets-tests-other "create" "review")
      (let ((default-directory app))
        (tenets-tests-until (equal (tenets-tests-current) "review"))
        (tenets-status)
        (tenets-tests-told "review (bound to ")
        (tenets-switch "billing")
        (tenets-tests-told "still shows review, which is bound to it")
        (tenets-exit)
        (tenets-tests-told "left billing; ")
        (tenets-tests-until (equal (tenets-tests-current) "review")))
      (tenets-tests-until (equal (tenets-tests-current) 'none))
      (let ((default-directory app))
        (tenets-unbind)
        (tenets-tests-told "is not bound any more; it shows no session")
        (tenets-tests-until (equal (tenets-tests-current) 'none))))))

(ert-deftest tenets-tests-many-folders ()
  "The server is asked for a directory again that was forgotten."
  (tenets-tests-with
    (tenets-create "billing")
    (dotimes (number (+ tenets--most-folders 5))
      (let ((default-directory (format "%s%d/" default-directory number)))
        (tenets-tests-until (equal (tenets-tests-current) "billing"))))
    (should (<= (hash-table-count tenets--folders) (1+ tenets--most-folders)))
    (tenets-create "review")
    (let ((default-directory (format "%s0/" default-directory)))
      (tenets-tests-until (equal (tenets-tests-current) "review")))))

(ert-deftest tenets-tests-remote-directory ()
  "A remote directory is not looked at, and shows the active session."
  (tenets-tests-with
    (let* ((default-directory "/ssh:nowhere.invalid:/app/")
           (file-name-handler-alist
            (cons (cons "\\`/ssh:"
                        (lambda (operation &rest arguments)
                          (pcase operation
                            ('file-remote-p "/ssh:nowhere.invalid:")
                            ((or 'expand-file-name 'file-exists-p
                                 'file-directory-p
                                 'file-attributes 'process-file 'make-process)
                             (error "Looked at a remote file: %S"
                                    (cons operation arguments)))
                            (_ (let ((inhibit-file-name-operation operation)
                                     (inhibit-file-name-handlers
                                      (mapcar #'cdr file-name-handler-alist)))
                                 (apply operation arguments))))))
                  file-name-handler-alist)))
      (tenets-create "billing")
      (tenets-tests-told "created billing")
      (tenets-tests-until (equal (tenets-tests-current) "billing"))
      (tenets-note "from afar")
      (tenets-tests-told "added to billing")
      (insert "one\ntwo\n")
      (setq buffer-file-name "/ssh:nowhere.invalid:/app/a.txt")
      (tenets-add-region (point-min) (point-max))
      (tenets-tests-told "added lines 1-2 to billing")
      (should-error (tenets-file-notes) :type 'user-error)
      (should-error (tenets-bind "billing") :type 'user-error)
      (setq buffer-file-name nil))
    (should (equal (tenets-tests-contents "billing")
                   '("from afar" "one\ntwo\n")))
    (should-not (plist-get (cadr (tenets-tests-notes "billing")) :location))))

;;;; Sessions

(ert-deftest tenets-tests-sessions ()
  "Sessions are created, renamed, copied, deleted and brought back."
  (tenets-tests-with
    (tenets-create "fix login")
    (tenets-tests-told "created fix login, which is active now")
    (tenets-note "check the token")
    (tenets-tests-told "added to fix login")
    (tenets-rename "fix the login")
    (tenets-tests-told "renamed fix login to fix the login")
    (tenets-copy "a copy")
    (tenets-tests-told "copied fix the login to a copy")
    (should (equal (tenets-tests-contents "a copy") '("check the token")))
    (tenets-delete "a copy")
    (tenets-tests-told "deleted a copy; ")
    (tenets-undo)
    (tenets-tests-told "brought back a copy (1 note)")
    (tenets-tests-choosing "a copy" (tenets-delete))
    (tenets-tests-told "deleted a copy; ")
    (tenets-tests-other "create" "a copy")
    (cl-letf (((symbol-function 'read-string)
               (lambda (_ initial) (concat initial " 2"))))
      (tenets-tests-choosing "a copy (1 note) #2" (tenets-trash))
      (tenets-tests-told "brought back a copy 2"))
    (should (equal (tenets-tests-contents "a copy 2") '("check the token")))
    (tenets-export "a copy 2")
    (with-current-buffer (tenets-tests-buffer "*tenets export: a copy 2*")
      (should (string-match-p "^> check the token$" (buffer-string)))
      (should-not (or buffer-file-name (buffer-modified-p))))
    (tenets-delete "no such")
    (tenets-tests-told "there is no session named no such")))

(ert-deftest tenets-tests-switching-to-a-new-name ()
  "A name that is not there yet is created, if the user says so."
  (tenets-tests-with
    (cl-letf (((symbol-function 'y-or-n-p) (lambda (_) t)))
      (tenets-tests-choosing "new"
        (tenets-switch)
        (tenets-tests-told "created new, which is active now"))
      (tenets-create "new")
      (tenets-tests-told "switched to new"))))

(ert-deftest tenets-tests-candidates ()
  "Sessions to choose from have marks; that changed last comes first."
  (tenets-tests-with
    (tenets-create "first")
    (tenets-tests-told "created")
    (tenets-tests-other "create" "second")
    (tenets-note "one")
    (tenets-tests-told "added to first")
    (tenets-tests-until (equal (tenets-tests-current) "first"))
    (let* ((completing-read-function
            (lambda (_prompt table &rest _)
              (let* ((metadata (completion-metadata "" table nil))
                     (all (all-completions "" table))
                     (affix (completion-metadata-get metadata
                                                     'affixation-function)))
                (should (eq (completion-metadata-get metadata 'category)
                            'tenets-session))
                (should (equal all '("first" "second")))
                (should (equal (mapcar (lambda (row)
                                         (mapcar #'substring-no-properties row))
                                       (funcall affix all))
                               '(("first" "* " "  active, 1 note, just now")
                                 ("second" "  " "  0 notes, just now")))))
              "second")))
      (tenets-switch)
      (tenets-tests-told "switched to second"))))

(ert-deftest tenets-tests-right-to-left ()
  "A name from right to left leaves what follows where it is."
  (let* ((table (tenets--table '("ab" "שלום") 'tenets-session
                               (lambda (_) '("* " "1 note"))))
         (affix (completion-metadata-get (completion-metadata "" table nil)
                                         'affixation-function)))
    (should (equal (mapcar (lambda (row)
                             (substring-no-properties (nth 2 row)))
                           (funcall affix '("ab" "שלום")))
                   '("  1 note" "\u200e  1 note")))))

(ert-deftest tenets-tests-minibuffer-in-use ()
  "A question does not come while another one is open."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (cl-letf (((symbol-function 'active-minibuffer-window) (lambda () t)))
      (let ((tenets--in-job t)          ; the answer is late
            (completing-read-function (lambda (&rest _)
                                        (error "The user was asked"))))
        (tenets-switch)
        (tenets-tests-told "you were asked something else")))))

;;;; Notes

(ert-deftest tenets-tests-note-without-a-session ()
  "A note is added to the session that the user names, or stays in a buffer."
  (tenets-tests-with
    (tenets-tests-choosing "billing"
      (tenets-note "the first one")
      (tenets-tests-told "added to the new session billing"))
    (should (equal (tenets-tests-contents "billing") '("the first one")))
    (let ((completing-read-function (lambda (&rest _) (signal 'quit nil))))
      (tenets-note "the second one")
      (tenets-tests-told "the text is in *tenets new note*"))
    (with-current-buffer "*tenets new note*"
      (should (equal (buffer-string) "the second one"))
      (should (buffer-modified-p))
      (tenets-tests-choosing "billing"
        (tenets-note-finish)
        (tenets-tests-told "saved")))
    (should (equal (tenets-tests-contents "billing")
                   '("the first one" "the second one")))))

(ert-deftest tenets-tests-lines ()
  "Whole lines are added, with the anchor that the server would take."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (let ((text (concat "import os\n\n"
                        (make-string 600 ?x)
                        "\nif a  and\tb:\n    return ü𝄞\n"
                        "    pass\n    pass\n\nlast"))
          (file (expand-file-name "a b.py")))
      (write-region text nil file nil 'silent)
      (with-current-buffer (find-file-noselect file)
        (dolist (place '((3 3) (4 5) (6 6) (1 9) (9 9)))
          (let* ((start (progn (goto-char (point-min))
                               (forward-line (1- (car place)))
                               (point)))
                 (end (progn (goto-char (point-min))
                             (forward-line (1- (cadr place)))
                             (line-end-position))))
            (dolist (modified '(nil t))
              (set-buffer-modified-p modified)
              (tenets-add-region start end)
              (tenets-tests-told "added line"))))
        (set-buffer-modified-p nil))
      (let ((notes (tenets-tests-notes "billing")))
        (should (= (length notes) 10))
        (while notes
          (let ((theirs (plist-get (pop notes) :location))
                (ours (plist-get (pop notes) :location)))
            (should (plist-get theirs :anchor))
            (should (equal (plist-get ours :uri) (plist-get theirs :uri)))
            (should (equal (plist-get ours :range) (plist-get theirs :range)))
            (dolist (member '(:quote :before :after :occurrences))
              (should (equal (plist-get (plist-get ours :anchor) member)
                             (plist-get (plist-get theirs :anchor)
                                        member))))))))))

(ert-deftest tenets-tests-lines-without-a-file ()
  "Lines of a buffer have no place, and are in the note."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (insert "one\ntwo\nthree\n")
    (tenets-add-region 1 5)
    (tenets-tests-told "added line 1 to billing")
    (tenets-add-region 6 6 "a comment")
    (tenets-tests-told "added line 2 to billing")
    (should-error (tenets-add-region (point-max) (point-max)) :type 'user-error)
    (should (equal (tenets-tests-contents "billing")
                   '("one\n" "a comment\n\ntwo\n")))
    (should (equal (mapcar (lambda (note) (plist-get note :kind))
                           (tenets-tests-notes "billing"))
                   '("code" "note")))))

(ert-deftest tenets-tests-what-is-no-text ()
  "What JSON cannot have is refused with a clear message, or replaced."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (insert "one\r\ntwo " (unibyte-char-to-multibyte 255) (string #xd800) "\n3")
    (should (equal (tenets--buffer-text) "one \ntwo \ufffd\ufffd\n3"))
    (tenets-note (concat "raw " (string (unibyte-char-to-multibyte 255))))
    (tenets-tests-told "the note was not added: it has bytes that are no text")
    (should-not (tenets-tests-contents "billing"))))

(ert-deftest tenets-tests-note-without-a-frame ()
  "Where the user cannot be asked, the text stays in a buffer."
  (tenets-tests-with
    (let ((completing-read-function (lambda (&rest _) (error "No frame"))))
      (tenets-note "to be kept")
      (tenets-tests-told "No frame"))
    (with-current-buffer "*tenets new note*"
      (should (equal (buffer-string) "to be kept")))))

(ert-deftest tenets-tests-session-of-note-is-gone ()
  "A note whose session was deleted meanwhile is added to another one."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (tenets-tests-until (equal (tenets-tests-current) "billing"))
    (tenets-notes "billing")
    (with-current-buffer (tenets-tests-buffer "*tenets: billing*")
      (tenets-notes-add))
    (with-current-buffer "*tenets new note*"
      (insert "to be kept")
      (tenets-tests-other "delete" "--yes" "billing")
      (tenets-tests-choosing "review"
        (tenets-note-finish)
        (tenets-tests-told "saved")))
    (should (equal (tenets-tests-contents "review") '("to be kept")))))

;; A NUL is text for the server; Emacs before 30 cannot parse it by itself.
(ert-deftest tenets-tests-control-characters ()
  "A note with any characters is shown, and written back to the byte."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (let ((text "nul \0 esc \e[31m bell \a \r\n 𝄞 مرحبا"))
      (tenets-note text)
      (tenets-tests-told "added to billing")
      (tenets-notes)
      (with-current-buffer (tenets-tests-buffer "*tenets: billing*")
        (tenets-tests-until (string-search text (buffer-string))))
      (tenets--edit-id 1)
      (with-current-buffer (tenets-tests-buffer "*tenets note 1*")
        (should (equal (buffer-string) text))
        (insert "\0")
        (tenets-note-finish)
        (tenets-tests-told "saved"))
      (should (equal (tenets-tests-contents "billing")
                     (list (concat "\0" text)))))))

(ert-deftest tenets-tests-without-native-json ()
  "An Emacs that was built without JSON works, too."
  (tenets-tests-with
    (cl-letf (((symbol-function 'json-serialize) nil)
              ((symbol-function 'json-parse-string) nil))
      (tenets-create "ü 𝄞")
      (tenets-tests-until (equal (tenets-tests-current) "ü 𝄞"))
      (tenets-note "ü 𝄞")
      (tenets-tests-told "added to ü 𝄞"))
    (should (equal (tenets-tests-contents "ü 𝄞") '("ü 𝄞")))))

(ert-deftest tenets-tests-editing ()
  "A note is written back as it was edited, to the byte."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (tenets-tests-other "note" "--session" "billing" "a\r\nb  \n\nc")
    (let ((before (tenets-tests-contents "billing")))
      (tenets--edit-id 1)
      (with-current-buffer (tenets-tests-buffer "*tenets note 1*")
        (should (equal (buffer-string) (car before)))
        ;; Nothing was changed: nothing is written.
        (tenets-note-finish))
      (should-not (get-buffer "*tenets note 1*"))
      (should-not (plist-get (car (tenets-tests-notes "billing")) :updatedAt))
      (tenets--edit-id 1)
      (with-current-buffer (tenets-tests-buffer "*tenets note 1*")
        (goto-char (point-max))
        (insert "ü𝄞")
        (save-buffer)
        (should (buffer-modified-p)) ; until the server says that it is on disk
        (tenets-tests-told "saved")
        (should-not (buffer-modified-p))
        ;; What is typed before that is not saved.
        (save-excursion (insert "x"))
        (save-buffer)
        (delete-char 1)
        (tenets-tests-told "saved")
        (should (buffer-modified-p))
        (save-buffer)
        (tenets-tests-told "saved")
        (should (equal (tenets-tests-contents "billing")
                       (list (concat (car before) "ü𝄞"))))
        (insert "!")
        (tenets-note-finish))
      (tenets-tests-until (not (get-buffer "*tenets note 1*")))
      (should (equal (tenets-tests-contents "billing")
                     (list (concat (car before) "ü𝄞!")))))))

(ert-deftest tenets-tests-another-major-mode ()
  "A note stays one in another major mode."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (tenets-note "first")
    (tenets-tests-told "added")
    (tenets--edit-id 1)
    (with-current-buffer (tenets-tests-buffer "*tenets note 1*")
      (emacs-lisp-mode)
      (insert "my ")
      (should (eq (key-binding (kbd "C-c C-c")) #'tenets-note-finish))
      (let (asked)
        (cl-letf (((symbol-function 'yes-or-no-p)
                   (lambda (_) (setq asked t) nil)))
          (should-not (kill-buffer))
          (should asked)))
      (setq buffer-read-only t)
      (save-buffer)
      (tenets-tests-told "saved")
      (tenets-tests-other "edit" "1" "theirs")
      (tenets-tests-until (equal (buffer-string) "theirs")))))

(ert-deftest tenets-tests-conflict ()
  "If somebody else was faster, both texts are there, and the user chooses."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (tenets-note "first")
    (tenets-tests-told "added")
    (tenets--edit-id 1)
    (with-current-buffer (tenets-tests-buffer "*tenets note 1*")
      ;; A text that was not changed follows.
      (tenets-tests-other "edit" "1" "second")
      (tenets-tests-until (equal (buffer-string) "second"))
      (should-not (buffer-modified-p))
      (insert "my ")
      (tenets-tests-other "edit" "1" "theirs")
      (tenets-tests-told "this note was changed meanwhile; your text is")
      (should (string-match-p "C-c C-d compares, C-c C-o overwrites"
                              (tenets--note-header)))
      (tenets-note-finish)
      (tenets-tests-told "this note was changed meanwhile")
      (should (equal (buffer-string) "my second"))
      (should (buffer-modified-p))
      (should (equal (tenets-tests-contents "billing") '("theirs")))
      ;; The reply may be a conflict before the change is told.
      (setq tenets--theirs nil)
      (tenets-note-finish)
      (tenets-tests-told "this note was changed meanwhile")
      (should (equal (plist-get tenets--theirs :content) "theirs"))
      (tenets-note-overwrite)
      (tenets-tests-told "saved"))
    (should-not (get-buffer "*tenets note 1*"))
    (should (equal (tenets-tests-contents "billing") '("my second")))))

(ert-deftest tenets-tests-leaving-with-an-edited-note ()
  "Emacs does not end before an edited note is saved, or the user agrees."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (tenets-note "first")
    (tenets-tests-told "added")
    (tenets--edit-id 1)
    (with-current-buffer (tenets-tests-buffer "*tenets note 1*")
      (should (tenets--may-leave))
      (insert "my ")
      (let (asked)
        (cl-letf (((symbol-function 'yes-or-no-p) (lambda (_) (setq asked t))))
          (should (tenets--may-leave))
          (should asked)
          (setq asked nil)
          (save-buffer)
          (should (buffer-modified-p))
          (should (tenets--may-leave))
          (should-not asked)))
      (should (equal (tenets-tests-contents "billing") '("my first"))))))

(ert-deftest tenets-tests-note-is-gone ()
  "The text of a note that was deleted meanwhile can be added anew."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (tenets-note "first")
    (tenets-tests-told "added")
    (tenets--edit-id 1)
    (with-current-buffer (tenets-tests-buffer "*tenets note 1*")
      (insert "my ")
      (tenets-tests-other "remove" "1")
      (tenets-tests-told "this note was deleted meanwhile; your text is")
      (tenets-note-overwrite)
      (tenets-tests-told "saved"))
    (should (equal (tenets-tests-contents "billing") '("my first")))))

(ert-deftest tenets-tests-same-text-is-no-conflict ()
  "After a lost connection a note may have been written already."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (tenets-note "first")
    (tenets-tests-told "added")
    (tenets--edit-id 1)
    (with-current-buffer (tenets-tests-buffer "*tenets note 1*")
      (erase-buffer)
      (insert "second")
      (tenets-tests-other "edit" "1" "second")
      (tenets-tests-until (not (buffer-modified-p)))
      (should-not tenets--theirs)
      (tenets-note-finish))
    (should-not (get-buffer "*tenets note 1*"))))

(ert-deftest tenets-tests-list-follows ()
  "The buffer of notes follows others, and point stays at its note."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (dolist (text '("first" "# second\n\nlines" "third"))
      (tenets-note text)
      (tenets-tests-told "added"))
    (tenets-notes)
    (with-current-buffer (tenets-tests-buffer "*tenets: billing*")
      (tenets-tests-until (string-search "first" (buffer-string)))
      (should (equal (mapcar #'car (tenets--imenu))
                     '("third" "second" "first")))
      (should (equal (tenets--notes-header) "billing (active), 3 notes"))
      (goto-char (point-min))
      (tenets-notes-next)
      (forward-line 3)
      (should (looking-at "lines"))
      (tenets-tests-other "note" "--session" "billing" "fourth")
      (tenets-tests-until (string-search "fourth" (buffer-string)))
      (should (looking-at "lines"))
      (tenets-notes-previous)
      (should (looking-at "note, Emacs"))
      (tenets-notes-delete)
      (tenets-tests-told "deleted \"second\"; u brings it back")
      (tenets-tests-until (not (string-search "second" (buffer-string))))
      (should (looking-at "note, Emacs"))
      (tenets-undo)
      (tenets-tests-told "brought back 1 note of billing")
      (tenets-tests-until (string-search "second" (buffer-string)))
      (tenets-tests-other "rename" "billing" "invoices")
      (tenets-tests-until (equal (buffer-name) "*tenets: invoices*"))
      (tenets-tests-other "delete" "--yes" "invoices")
      (tenets-tests-until (string-search "This session is gone"
                                         (buffer-string)))
      (tenets-undo)
      (tenets-tests-until (string-search "second" (buffer-string))))))

(ert-deftest tenets-tests-many-and-large-notes ()
  "More notes are shown on request, and what is too large is said to be."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (let ((tenets-notes-count 2))
      (tenets-note (make-string 2000000 ?x))
      (dolist (text '("second" "third"))
        (tenets-note text))
      (tenets-tests-until (null (tenets--writes)))
      (tenets-notes)
      (with-current-buffer (tenets-tests-buffer "*tenets: billing*")
        (tenets-tests-until (string-search "Show more notes" (buffer-string)))
        (should (equal (tenets--notes-header)
                       "billing (active), the newest 2 notes"))
        (goto-char (point-max))
        (forward-line -1)
        (tenets-notes-visit)
        (tenets-tests-until (string-search "1.9M: too large to be shown here"
                                           (buffer-string)))
        (should-not (string-search "Show more notes" (buffer-string)))))
    ;; It is edited all the same, as it fits into one reply.
    (tenets--edit-id 1)
    (with-current-buffer (tenets-tests-buffer "*tenets note 1*")
      (should (= (buffer-size) 2000000)))
    (tenets-note (make-string 5000000 ?y))
    (tenets-tests-until (null (tenets--writes)))
    (setq tenets-tests-said nil)
    (tenets--edit-id 4)
    (tenets-tests-told "this note has 4.8M, too large to be edited here")))

(ert-deftest tenets-tests-note-behind-those-shown ()
  "A note that is older than all that are shown is opened by itself."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (dolist (text '("first" "second" "third"))
      (tenets-note text)
      (tenets-tests-told "added"))
    (cl-letf (((symbol-value 'tenets--page) 2)
              (tenets-notes-count 2))
      (tenets--show-note '(:id 1 :sessionId 1 :sessionName "billing"))
      (with-current-buffer (tenets-tests-buffer "*tenets note 1*")
        (should (equal (buffer-string) "first"))))))

(ert-deftest tenets-tests-places ()
  "A note leads to its lines, in the text as it is."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (let ((file (expand-file-name "login.py")))
      (write-region (concat "import os\n\n\ndef log_in(user):\n"
                            "    return fetch(user)\n\n\nx = 1\n")
                    nil file nil 'silent)
      (tenets-tests-other "note" "--at" (concat file ":4") "why?")
      (tenets-tests-other "note" "--at" (concat file ":8") "gone soon")
      (let ((code (find-file-noselect file)))
        (with-current-buffer code
          (insert "# one more\n")
          (goto-char (point-max))
          (search-backward "x = 1")
          (delete-region (point) (point-max)))
        (tenets-notes)
        (with-current-buffer (tenets-tests-buffer "*tenets: billing*")
          (tenets-tests-until (string-search "why?" (buffer-string)))
          (should (string-search "login.py:4\n" (buffer-string)))
          (goto-char (tenets--position-of 1))
          (tenets-notes-visit))
        (with-current-buffer code
          (tenets-tests-until (looking-at "def log_in")))
        (with-current-buffer "*tenets: billing*"
          (goto-char (tenets--position-of 2))
          (tenets-notes-visit)
          (tenets-tests-told "the lines of this note are gone; was line 8"))
        (let* (shown
               (xref-show-xrefs-function (lambda (fetcher _)
                                           (setq shown (funcall fetcher)))))
          (with-current-buffer code
            (tenets-file-notes)
            (tenets-tests-until shown))
          (should (equal (mapcar (lambda (one)
                                   (let ((place (xref-item-location one)))
                                     (cons (xref-location-line place)
                                           (xref-item-summary one))))
                                 shown)
                         '((5 . "why? (billing)")
                           (nil . "was line 8: gone soon (billing)")))))
        (with-current-buffer code
          (set-buffer-modified-p nil))))))

;;;; Search and changes

(ert-deftest tenets-tests-search ()
  "The server chooses what completion offers, as the user types."
  (tenets-tests-with
    (tenets-create "fix login")
    (tenets-tests-told "created")
    (dolist (text '("the token is refreshed" "another refresh"))
      (tenets-note text)
      (tenets-tests-told "added"))
    (let ((completing-read-function
           (lambda (_prompt table &rest _)
             (let* ((metadata (completion-metadata "" table nil))
                    (all (lambda (string)
                           (completion-all-completions string
                                                       table
                                                       nil
                                                       (length string)
                                                       metadata))))
               (should (equal (completion-try-completion "tok" table nil 3
                                                         metadata)
                              '("tok" . 3)))
               (should-not (funcall all "nothing"))
               (should-not (funcall all ""))
               ;; In any case and order, and a beginning is enough.
               (let ((found (funcall all "TOKEN refr")))
                 (should (equal (mapcar #'substring-no-properties found)
                                '("the token is refreshed #1")))
                 (should (test-completion (car found) table))
                 (car found))))))
      (tenets-search))
    (with-current-buffer (tenets-tests-buffer "*tenets: fix login*")
      (tenets-tests-until (eql (plist-get (tenets--note-at) :id) 1)))
    (tenets-tests-other "create" "--switch" "review")
    (tenets-tests-choosing "refreshed login" (tenets-search))
    (with-current-buffer (tenets-tests-buffer "*tenets search*")
      (tenets-tests-until (string-search "Nothing was found" (buffer-string))))
    (tenets-search "login")
    (with-current-buffer "*tenets search*"
      (tenets-tests-until (string-search "session fix login" (buffer-string)))
      (goto-char (point-min))
      (tenets-notes-visit)
      (tenets-tests-told "switched to fix login"))))

(ert-deftest tenets-tests-changes ()
  "What others did since Emacs was left is listed, our own changes are not."
  (tenets-tests-with
    (tenets-tests-other "create" "billing")
    (tenets-create "mine")
    (tenets-tests-told "created")
    (tenets-changes)
    (tenets-tests-told "nothing has changed")
    (setq tenets--delay 60)             ; it is not started again by itself
    (tenets-status)                     ; Emacs does not wait for the reply
    (tenets--leave)
    (tenets-tests-other "note" "--session" "billing" "# while you were away")
    (tenets-tests-other "rename" "billing" "invoices")
    ;; The next Emacs.
    (tenets-tests-until (null tenets--server))
    (setq tenets--has-remembered nil
          tenets--seen nil
          tenets--leaving nil)
    (tenets-changes)
    (with-current-buffer (tenets-tests-buffer "*tenets changes*")
      (should (equal (buffer-string)
                     (concat "invoices: renamed by tenets-session\n"
                             "billing: note added by tenets-session: "
                             "while you were away\n"))))))

;;;; Servers that end, or do not answer

(ert-deftest tenets-tests-server-ends ()
  "A server that ends is started again, and everything is looked at anew."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (tenets-notes)
    (tenets-tests-until (equal (tenets-tests-shown) "[tenets: billing] "))
    (setq tenets--delay 0.1)
    (signal-process (tenets-tests-process) 'SIGKILL)
    (tenets-tests-told "the server has ended; it is started again")
    (should (equal (tenets-tests-shown) "[tenets: disconnected] "))
    (should (string-match-p "out of date"
                            (with-current-buffer "*tenets: billing*"
                              (tenets--notes-header))))
    (tenets-tests-other "note" "--session" "billing" "meanwhile")
    (tenets-tests-other "create" "--switch" "review")
    (tenets-tests-until (equal (tenets-tests-shown) "[tenets: review] "))
    (with-current-buffer "*tenets: billing*"
      (tenets-tests-until (string-search "meanwhile" (buffer-string))))
    (should-not tenets-tests-said)))

(ert-deftest tenets-tests-note-survives-the-server ()
  "A note is there once, whenever the server ends; other requests are reported."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (tenets-tests-until (equal (tenets-tests-current) "billing"))
    (setq tenets--delay 0.1)
    (let ((daemon (tenets-tests-daemon)))
      (signal-process daemon 'SIGSTOP)
      (tenets-note "sent")
      (tenets-create "perhaps")
      (signal-process daemon 'SIGKILL))
    (tenets-tests-told "the session may or may not have been created: the server")
    (tenets-note "waits")
    (tenets-tests-until (null (tenets--writes)))
    (should (equal (sort (tenets-tests-contents "billing") #'string<)
                   '("sent" "waits")))))

(ert-deftest tenets-tests-note-is-stored-once ()
  "A note whose reply was lost is sent again, and is there once."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (tenets-tests-until (equal (tenets-tests-current) "billing"))
    (setq tenets--delay 0.1)
    (tenets-note "once")
    ;; No reply is read meanwhile.
    (while (not (tenets-tests-contents "billing")))
    (delete-process (tenets-tests-process))
    (tenets-tests-told "added to billing")
    (should (equal (tenets-tests-contents "billing") '("once")))))

(ert-deftest tenets-tests-frozen-server ()
  "A server that reads nothing does not stop Emacs, whatever is to be sent."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    ;; The daemon, which does the work, or the process that Emacs has started.
    (dolist (process (list (tenets-tests-daemon)
                           (process-id (tenets-tests-process))))
      (signal-process process 'SIGSTOP)
      (with-timeout (tenets-tests-deadline (ert-fail "Emacs was stopped"))
        (dotimes (number 200)
          (tenets-note (format "%d %s" number (make-string 500 ?x))))
        (tenets-note (make-string 1000000 ?y)))
      (tenets-tests-choosing "billing"
        (tenets-switch)
        (signal-process process 'SIGCONT)
        (tenets-tests-told "switched to billing"))
      (should-not (tenets--writes)))
    (should (= (length (tenets-tests-contents "billing")) 402))))

(ert-deftest tenets-tests-note-survives-emacs ()
  "A note that was not taken before Emacs ends is sent by the next Emacs."
  (tenets-tests-with
    (tenets-create "billing")
    (tenets-tests-told "created")
    (let ((daemon (tenets-tests-daemon)))
      (signal-process daemon 'SIGSTOP)
      (tenets-note "kept 𝄞")
      (cl-letf (((symbol-value 'tenets--last-patience) 0.1))
        (tenets--leave))
      (should (= (file-modes tenets-state-file) #o600))
      (signal-process daemon 'SIGKILL)
      (set-process-sentinel (tenets-tests-process) #'ignore)
      (delete-process (tenets-tests-process)))
    (setq tenets--phase nil
          tenets--server nil
          tenets--waiting nil
          tenets--sent nil
          tenets--jobs nil
          tenets--has-remembered nil
          tenets--leaving nil)
    (tenets-status)
    (tenets-tests-told "added to billing what was written before Emacs ended")
    (should (equal (tenets-tests-contents "billing") '("kept 𝄞")))
    (should-not (plist-get (tenets--read-state) :unsent))))

(ert-deftest tenets-tests-no-server ()
  "It is said what is missing, and what was not done."
  (tenets-tests-with
    (setq tenets-server-command '("no-such-program"))
    (tenets-switch "billing")
    (tenets-tests-told
     "the session was not switched: no-such-program was not found; ")
    (setq tenets--told-lost nil
          tenets-server-command '("tenets-session-server" "--no-such-option"))
    (tenets--start)
    (tenets-tests-told "the server ended at once: ")
    (setq tenets--told-lost nil
          tenets-server-command '("sh" "-c" "echo It is broken >&2"))
    (tenets--start)
    (tenets-tests-told "the server ended at once: It is broken")))

(ert-deftest tenets-tests-no-database ()
  "A database that cannot be used is said apart, and tried again."
  (tenets-tests-with
    (write-region "no folder" nil "file" nil 'silent)
    (setq tenets-tests-database (expand-file-name "file/tenets.db")
          tenets-server-command (list "tenets-session-server" "--database"
                                      tenets-tests-database
                                      "--idle-timeout" "0.5"))
    (let ((warning-minimum-level :emergency))
      (tenets--start)
      (tenets-tests-until (equal (tenets-tests-shown) "[tenets: unavailable] "))
      (should (= (length tenets--warnings) 1)))
    (delete-file "file")
    (cancel-timer tenets--timer)
    (tenets--try-again)
    (tenets-tests-until (equal (tenets-tests-shown) "[tenets: no session] "))))

(provide 'tenets-tests)
;;; tenets-tests.el ends here
