/**
 * The types of `tenets-session-client.mjs`. What is between the two marks is generated.
 */

// <generated>
/** The kinds of errors that the server tells. */
export type ErrorKind =
  | "conflict"
  | "contextNotFound"
  | "databaseBusy"
  | "databaseCorrupt"
  | "databaseFull"
  | "databaseReadOnly"
  | "databaseUnavailable"
  | "importInvalid"
  | "limitExceeded"
  | "outcomeUnknown"
  | "revisionExpired"
  | "sessionExists"
  | "sessionNotFound"
  | "trashNotFound";

/** Params of `addContext`. */
export interface AddContextParams {
  /** 1 to 64 characters, no control or bidirectional characters, not blank */
  kind: string;
  /** a string */
  content: string;
  /** the name of a session */
  sessionName?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** a URI or an absolute path */
  folder?: string | null;
  location?: Location | null;
  /** a string of 1 to 128 characters */
  identityKey?: string | null;
  /** true or false (default: false) */
  replace?: boolean | null;
}

/** A context entry that was appended, without its content. */
export interface AddedContext {
  /** never reused */
  id: number;
  /** the session's `id` */
  sessionId: number;
  /** null if the session was deleted */
  sessionName: string | null;
  /** label given by the client, for example `note` */
  kind: string;
  /** first line that is not blank, at most 200 UTF-16 units */
  preview: string;
  /** UTF-8 bytes of the content */
  size: number;
  /** RFC 3339 with offset, microseconds kept */
  createdAt: string;
  /** who wrote it; null if another program did, or nobody said */
  author: string | null;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
  /** whether this call created the session */
  sessionCreated: boolean;
  /** whether the entry with this `identityKey` existed before */
  duplicate: boolean;
  /** absent if not asked for, or too large for a list */
  content?: string;
  /** when a client last changed it; absent if none has */
  updatedAt?: string;
  /** who wrote it where it was imported from; else absent */
  importedAuthor?: string;
  /** where it belongs, as a `Location`; absent if not given */
  location?: Record<string, unknown>;
}

/** What the text at a location was when the entry was made. */
export interface Anchor {
  /** the lines of the range, white space collapsed */
  quote: string;
  /** an array of the lines before it, at most three */
  before: string[];
  /** an array of the lines after it, at most three */
  after: string[];
  /** how often the quote occurred */
  occurrences: number;
  /** lines around it that fitted best at another place */
  rival?: number;
  /** white space before its first and its last line, in UTF-16 units */
  indents?: number[];
}

/** An editor that is being served. */
export interface AttachedClient {
  /** `clientInfo.name`, or null */
  name: string | null;
  /** `clientInfo.version`, or null */
  version: string | null;
  /** `processId` of `initialize`, or null */
  processId: number | null;
  /** process id of the command that the client started */
  pid: number;
  /** when it connected, RFC 3339 */
  connectedAt: string;
  /** true for the client that sent this request (default: false) */
  you?: boolean;
}

/** Params of `bind`. */
export interface BindParams {
  /** the name of a session */
  name?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** a URI or an absolute path */
  folder?: string | null;
}

/** A folder that shows the session of one name. */
export interface Binding {
  /** the folder, as it was first given */
  folder: string;
  /** the name of the session that it shows */
  name: string;
  /** that session; null while there is none of that name */
  session: Session | null;
}

/** All bindings, in the order of their folders. */
export interface BindingList {
  /** all of them, sorted by `folder` */
  bindings: Binding[];
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
}

/** `capabilities.experimental.tenetsSession` of the `initialize` result. */
export interface Capability {
  /** 1; another number means an incompatible protocol */
  protocolVersion: number;
  /** the `tenets/session.*` methods there are */
  methods: string[];
  /** number of the newest committed change, or 0 */
  revision: number;
  /** the state at that revision; null if the file cannot be read */
  state: string | null;
  /** the label under which this client writes entries */
  author: string | null;
  /** the folders whose session this client shows */
  folders: string[];
  /** what is larger is refused; see Limits */
  limits: Record<string, number>;
  /** absolute path of the file */
  database: string;
  /** why it is that file, for example "named by --database" */
  databaseReason: string | null;
  /** sentences to show to the user */
  warnings: string[];
}

/** One committed change, by any program. */
export interface Change {
  /** number of the change; numbers only increase */
  revision: number;
  /** see the table below */
  type: "activated" | "bound" | "contextAdded" | "contextRemoved" | "contextUpdated" | "created" | "deactivated" | "deleted" | "renamed" | "reset" | "restored" | "updated";
  /** `id` of the session it happened to; null: a folder without a session */
  sessionId: number | null;
  /** its name right after the change; null if an entry's session is gone */
  sessionName: string | null;
  /** who made it; null if another program did, or nobody said */
  author: string | null;
  /** `id` of the entry; only for changes of context */
  contextId?: number;
  /** the folder, only for `bound` */
  folder?: string;
  /** true if a session was deleted, but not its context */
  contextKept?: boolean;
}

/** What was committed after some revision, up to one moment: params of `didChange`. */
export interface ChangeBatch {
  /** revision of the newest change; larger in each message */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
  /** what was committed, in order */
  changes: Change[];
  /** the active session at that revision */
  active: Session | null;
  /** one for each folder of the client; absent if no binding concerns any */
  currents?: Current[] | null;
  /** true if changes are missing: fetch the sessions again (default: false) */
  incomplete?: boolean;
}

/** Some of the changes that were committed. */
export interface ChangeList {
  /** in order, at most `limit` */
  changes: Change[];
  /** that of the last change here: where to go on from */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
  /** whether there are more: ask again from `state` */
  truncated: boolean;
}

/** Params of `changes`. */
export interface ChangesParams {
  /** a state that the server has sent */
  sinceState?: string | null;
  /** a revision, 0 or more */
  since?: number | null;
  /** the name of a session */
  sessionName?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** the author whose changes are left out */
  notAuthor?: string | null;
  /** an integer from 1 to 1000 (default: 100) */
  limit?: number | null;
}

/** A context entry: a note, code, the result of a tool. */
export interface ContextEntry {
  /** never reused */
  id: number;
  /** the session's `id` */
  sessionId: number;
  /** null if the session was deleted */
  sessionName: string | null;
  /** label given by the client, for example `note` */
  kind: string;
  /** first line that is not blank, at most 200 UTF-16 units */
  preview: string;
  /** UTF-8 bytes of the content */
  size: number;
  /** RFC 3339 with offset, microseconds kept */
  createdAt: string;
  /** who wrote it; null if another program did, or nobody said */
  author: string | null;
  /** absent if not asked for, or too large for a list */
  content?: string;
  /** when a client last changed it; absent if none has */
  updatedAt?: string;
  /** who wrote it where it was imported from; else absent */
  importedAuthor?: string;
  /** where it belongs, as a `Location`; absent if not given */
  location?: Record<string, unknown>;
}

/** A page of context entries. */
export interface ContextList {
  /** at most `limit`; fewer if they are large, or few of them match */
  entries: ContextEntry[];
  /** cursor of the next page; null on the last page */
  nextCursor: string | null;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
}

/** A context entry with a piece of its content. */
export interface ContextPiece {
  /** never reused */
  id: number;
  /** the session's `id` */
  sessionId: number;
  /** null if the session was deleted */
  sessionName: string | null;
  /** label given by the client, for example `note` */
  kind: string;
  /** first line that is not blank, at most 200 UTF-16 units */
  preview: string;
  /** UTF-8 bytes of the content */
  size: number;
  /** RFC 3339 with offset, microseconds kept */
  createdAt: string;
  /** who wrote it; null if another program did, or nobody said */
  author: string | null;
  /** where more of the content follows; null at its end */
  nextOffset: number | null;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
  /** absent if not asked for, or too large for a list */
  content?: string;
  /** when a client last changed it; absent if none has */
  updatedAt?: string;
  /** who wrote it where it was imported from; else absent */
  importedAuthor?: string;
  /** where it belongs, as a `Location`; absent if not given */
  location?: Record<string, unknown>;
}

/** Params of `copy`. */
export interface CopyParams {
  /** 1 to 255 characters, no control or bidirectional characters, not blank */
  newName: string;
  /** the name of a session */
  name?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** true or false (default: false) */
  overwrite?: boolean | null;
  /** true or false (default: true) */
  includeContext?: boolean | null;
  /** true or false (default: false) */
  active?: boolean | null;
  /** a state that the server has sent */
  ifState?: string | null;
}

/** Params of `create`. */
export interface CreateParams {
  /** 1 to 255 characters, no control or bidirectional characters, not blank */
  name: string;
  /** an object (default: {}) */
  metadata?: Record<string, unknown> | null;
  /** true or false (default: false) */
  active?: boolean | null;
  /** "error" or "return" (default: "error") */
  ifExists?: "error" | "return" | null;
}

/** A session that exists now. */
export interface CreatedSession {
  /** never reused */
  id: number;
  /** unique name */
  name: string;
  /** RFC 3339 with offset, microseconds kept */
  createdAt: string;
  /** true for at most one session */
  active: boolean;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
  /** false if it existed before */
  created: boolean;
  /** the object that was stored, unchanged, unless left out */
  metadata?: Record<string, unknown>;
  /** number of its entries; only if asked for */
  contextCount?: number;
}

/** The session that one folder shows. */
export interface Current {
  /** the folder that was asked for, or null */
  folder: string | null;
  /** its session, or null if there is none */
  session: Session | null;
  /** the bound folder that decides; null: it is the active session */
  binding: string | null;
}

/** The session that one folder shows, and the state that it was read in. */
export interface CurrentResult {
  /** the folder that was asked for, or null */
  folder: string | null;
  /** its session, or null if there is none */
  session: Session | null;
  /** the bound folder that decides; null: it is the active session */
  binding: string | null;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
}

/** Params of `deleteAll`. */
export interface DeleteAllParams {
  /** true or false (default: true) */
  purgeContext?: boolean | null;
}

/** Params of `delete`. */
export interface DeleteParams {
  /** the name of a session */
  name?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** true or false (default: true) */
  purgeContext?: boolean | null;
  /** a state that the server has sent */
  ifState?: string | null;
}

/** Whether there was something to delete. */
export interface Deleted {
  /** whether there was such a session */
  deleted: boolean;
  /** what `restore` brings it back with; null if nothing was kept */
  trashId?: number | null;
}

/** How many sessions were deleted. */
export interface DeletedCount {
  /** number of sessions deleted */
  deleted: number;
  /** what `restore` brings it back with; null if nothing was kept */
  trashId?: number | null;
}

/** `initializationOptions.editorFeatures`; `true` is an object without members. */
export interface EditorFeatureOptions {
  /** true or false (default: true) */
  codeAction?: boolean;
  /** true or false (default: true) */
  workspaceSymbol?: boolean;
  /** true or false (default: true) */
  hover?: boolean;
  /** "off", "lens" or "hint" (default: "off") */
  annotations?: string;
}

/** How much of the trash was removed for good. */
export interface Emptied {
  /** number of items */
  removed: number;
}

/** Params of `emptyTrash`. */
export interface EmptyTrashParams {
  /** the id of an item of the trash */
  id?: number | null;
}

/** Params of `export`. */
export interface ExportParams {
  /** at most 1000 names */
  names?: string[] | null;
  /** at most 1000 ids */
  sessionIds?: number[] | null;
  /** "json" or "markdown" (default: "json") */
  format?: "json" | "markdown" | null;
  /** true or false (default: false) */
  raw?: boolean | null;
}

/** Sessions as a text. */
export interface Exported {
  /** the document */
  content: string;
}

/** A JSON document of sessions. Members that are not known are ignored. */
export interface ExportedDocument {
  /** what the document is */
  format: "tenets-sessions";
  /** version of the format */
  version: 1;
  /** RFC 3339 with offset, microseconds kept */
  exportedAt: string;
  /** the sessions */
  sessions: ExportedSession[];
}

/** A context entry in an exported document. */
export interface ExportedEntry {
  /** label given by the client, for example `note` */
  kind: string;
  /** the whole content */
  content: string;
  /** RFC 3339 with offset, microseconds kept */
  createdAt: string;
  /** when a client last changed it; absent if none has */
  updatedAt?: string;
  /** who wrote it, or null */
  author?: string | null;
  /** who wrote it where it was imported from; else absent */
  importedAuthor?: string;
  /** where it belongs, as a `Location`; absent if not given */
  location?: Record<string, unknown>;
  /** its `identityKey`; absent if not given */
  identityKey?: string;
}

/** A session in an exported document. */
export interface ExportedSession {
  /** unique name */
  name: string;
  /** RFC 3339 with offset, microseconds kept */
  createdAt: string;
  /** its entries, oldest first */
  context: ExportedEntry[];
  /** the object that was stored, unchanged (default: {}) */
  metadata?: Record<string, unknown>;
}

/** The session that a hit belongs to. */
export interface FoundSession {
  /** the session's `id` */
  id: number;
  /** null if the session was deleted */
  name: string | null;
}

/** Params of `getActive`. */
export interface GetActiveParams {
  /** true or false (default: true) */
  includeMetadata?: boolean | null;
}

/** Params of `getContext`. */
export interface GetContextParams {
  /** the id of an entry */
  id: number;
  /** a number of bytes, 0 or more (default: 0) */
  offset?: number | null;
  /** a number of bytes from 4 to 4194304 (default: 4194304) */
  maxBytes?: number | null;
}

/** Params of `getCurrent`. */
export interface GetCurrentParams {
  /** a URI or an absolute path */
  folder?: string | null;
  /** true or false (default: true) */
  includeMetadata?: boolean | null;
}

/** Params of `get`. */
export interface GetParams {
  /** the name of a session */
  name?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** true or false (default: true) */
  includeMetadata?: boolean | null;
}

/** Params of `import`. */
export interface ImportParams {
  /** a string */
  content: string;
  /** "error", "skip", "rename" or "overwrite" (default: "error") */
  onConflict?: "error" | "overwrite" | "rename" | "skip" | null;
}

/** What was imported. */
export interface Imported {
  /** number of sessions */
  imported: number;
  /** number of sessions left out, as the name is taken */
  skipped: number;
  /** number of sessions that got another name */
  renamed: number;
  /** number of context entries */
  entries: number;
  /** the imported sessions, at most 1000, without metadata */
  sessions: Session[];
  /** what `restore` brings it back with; null if nothing was kept */
  trashId: number | null;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
}

/** Params of `listContext`. */
export interface ListContextParams {
  /** the name of a session */
  sessionName?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** an array of at most 1000 ids */
  ids?: number[] | null;
  /** 1 to 64 characters, no control or bidirectional characters, not blank */
  kind?: string | null;
  /** the author of the entries */
  author?: string | null;
  /** a URI or an absolute path */
  uri?: string | null;
  /** an integer from 1 to 1000 (default: 100) */
  limit?: number | null;
  /** a nextCursor of the same list */
  cursor?: string | null;
  /** "oldest" or "newest" (default: "oldest") */
  order?: "newest" | "oldest" | null;
  /** true or false (default: true) */
  includeContent?: boolean | null;
}

/** Params of `list`. */
export interface ListParams {
  /** an integer from 1 to 1000 (default: 100) */
  limit?: number | null;
  /** a nextCursor of the same list */
  cursor?: string | null;
  /** true or false */
  active?: boolean | null;
  /** a string of at most 255 characters */
  namePrefix?: string | null;
  /** "newest", "oldest" or "recent" (default: "newest") */
  order?: "newest" | "oldest" | "recent" | null;
  /** true or false (default: false) */
  includeContextCount?: boolean | null;
  /** true or false (default: true) */
  includeMetadata?: boolean | null;
}

/** Params of `listTrash`. */
export interface ListTrashParams {
  /** an integer from 1 to 1000 (default: 100) */
  limit?: number | null;
  /** a nextCursor of the same list */
  cursor?: string | null;
}

/** Params of `locate`. */
export interface LocateParams {
  /** a URI or an absolute path */
  uri: string;
  /** the text of the document */
  text?: string | null;
  /** the name of a session */
  sessionName?: string | null;
  /** the id of a session */
  sessionId?: number | null;
}

/** Where the entries of a file are now. */
export interface LocatedContext {
  /** those that were found, by line */
  placed: PlacedContext[];
  /** those that were not: nothing says for sure where they are */
  lost: number[];
  /** true if there are more entries: only the newest were looked for */
  isIncomplete: boolean;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
}

/** Where an entry belongs. */
export interface Location {
  /** the URI, or the absolute path, of a file */
  uri: string;
  range?: Range | null;
  anchor?: Anchor | null;
}

/** Params of a method that needs none. */
export interface NoParams {
}

/** `initializationOptions` of the `initialize` request. */
export interface Options {
  /** true or false (default: true) */
  notifications?: boolean | null;
  /** true or false (default: true) */
  activeMetadata?: boolean | null;
  /** true or false (default: true) */
  commands?: boolean | null;
  /** 1 to 64 characters, no control or bidirectional characters, not blank */
  author?: string | null;
  /** an array of URIs or absolute paths */
  folders?: string[] | null;
  /**  (default: false) */
  editorFeatures?: boolean | null[] | EditorFeatureOptions | null;
}

/** Params of `pin` and `unpin`. */
export interface PinParams {
  /** a URI or an absolute path */
  uri: string;
  /** the name of a session */
  name?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** a URI or an absolute path */
  folder?: string | null;
}

/** Where an entry is now. */
export interface PlacedContext {
  /** the entry */
  id: number;
  /** its range in the text as it is now */
  range: Range;
  /** whether that is not the range of its location */
  moved: boolean;
}

/** A position in a text document (LSP 3.17): both count from 0. */
export interface Position {
  /** an integer of 0 or more */
  line: number;
  /** a number of UTF-16 units */
  character: number;
}

/** A range in a text document (LSP 3.17); its end is exclusive. */
export interface Range {
  /** a position with line and character */
  start: Position;
  /** a position with line and character */
  end: Position;
}

/** Params of `removeContext`. */
export interface RemoveContextParams {
  /** the id of an entry */
  id: number;
  /** a state that the server has sent */
  ifState?: string | null;
}

/** Whether there was an entry to remove. */
export interface RemovedContext {
  /** whether there was an entry with this id */
  removed: boolean;
  /** what `restore` brings it back with; null if nothing was kept */
  trashId?: number | null;
}

/** Params of `rename`. */
export interface RenameParams {
  /** 1 to 255 characters, no control or bidirectional characters, not blank */
  newName: string;
  /** the name of a session */
  name?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** a state that the server has sent */
  ifState?: string | null;
}

/** A session that has taken the place of something. */
export interface ReplacedSession {
  /** never reused */
  id: number;
  /** unique name */
  name: string;
  /** RFC 3339 with offset, microseconds kept */
  createdAt: string;
  /** true for at most one session */
  active: boolean;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
  /** the object that was stored, unchanged, unless left out */
  metadata?: Record<string, unknown>;
  /** number of its entries; only if asked for */
  contextCount?: number;
  /** what `restore` brings it back with; null if nothing was kept */
  trashId?: number | null;
}

/** Params of `reset`. */
export interface ResetParams {
  /** the name of a session */
  name?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** a state that the server has sent */
  ifState?: string | null;
}

/** Params of `restore`. */
export interface RestoreParams {
  /** the id of an item of the trash */
  id: number;
  /** 1 to 255 characters, no control or bidirectional characters, not blank */
  newName?: string | null;
  /** true or false (default: false) */
  replace?: boolean | null;
}

/** What was brought back. */
export interface Restored {
  /** the sessions, at most 1000, inactive; none of `context` */
  sessions: Session[];
  /** number of sessions */
  sessionCount: number;
  /** number of context entries */
  entries: number;
  /** what `restore` brings it back with; null if nothing was kept */
  trashId: number | null;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
}

/** An entry, or the name of a session, that a query has found. */
export interface SearchHit {
  /** the session it belongs to */
  session: FoundSession;
  /** the entry, without `content`; null: the name of the session matches */
  entry: ContextEntry | null;
  /** about 160 characters around the best place, white space collapsed */
  snippet: string;
  /** what to mark in it: `[start, end]` in UTF-16 units, in order */
  matches: number[][];
  /** the higher, the better; means nothing outside its reply */
  score: number;
}

/** Params of `search`. */
export interface SearchParams {
  /** a string: words to look for */
  query: string;
  /** the name of a session */
  sessionName?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** 1 to 64 characters, no control or bidirectional characters, not blank */
  kind?: string | null;
  /** the author of the entries */
  author?: string | null;
  /** an integer from 1 to 200 (default: 50) */
  limit?: number | null;
}

/** What a query has found. */
export interface SearchResult {
  /** the best first, at most `limit` */
  hits: SearchHit[];
  /** true if there is more, or the index is behind */
  isIncomplete: boolean;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
}

/** A named work session. */
export interface Session {
  /** never reused */
  id: number;
  /** unique name */
  name: string;
  /** RFC 3339 with offset, microseconds kept */
  createdAt: string;
  /** true for at most one session */
  active: boolean;
  /** the object that was stored, unchanged, unless left out */
  metadata?: Record<string, unknown>;
  /** number of its entries; only if asked for */
  contextCount?: number;
}

/** A page of sessions. */
export interface SessionList {
  /** at most `limit`; fewer if their metadata is very large */
  sessions: Session[];
  /** cursor of the next page; null on the last page */
  nextCursor: string | null;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
}

/** A session, and the state that it was read in, or written to. */
export interface SessionResult {
  /** never reused */
  id: number;
  /** unique name */
  name: string;
  /** RFC 3339 with offset, microseconds kept */
  createdAt: string;
  /** true for at most one session */
  active: boolean;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
  /** the object that was stored, unchanged, unless left out */
  metadata?: Record<string, unknown>;
  /** number of its entries; only if asked for */
  contextCount?: number;
}

/** Params of `setActive`. */
export interface SetActiveParams {
  /** the name of a session */
  name?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** true or false (default: true) */
  active?: boolean | null;
}

/** How much there is, who has it open, and what serves it. */
export interface Stats {
  /** number of sessions */
  sessions: number;
  /** number of context entries; those of a deleted session count until removed */
  contextEntries: number;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
  /** absolute path of the file */
  database: string;
  /** size of the file */
  databaseBytes: number;
  /** size of its write-ahead log */
  logBytes: number;
  /** what reads and writes it, as "SQLite 3.51.3" */
  engine: string;
  /** version of the server */
  version: string;
  /** process id of the process that answers */
  pid: number;
  /** clients of this process, in order of connection */
  clients: AttachedClient[];
}

/** Params of `resume` and `exit`. */
export interface SwitchParams {
  /** the name of a session */
  name?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** a URI or an absolute path */
  folder?: string | null;
}

/** What one request has removed. */
export interface TrashItem {
  /** never reused */
  id: number;
  /** `sessions`, or `context`: entries without their session */
  type: "context" | "sessions";
  /** number of sessions */
  sessions: number;
  /** number of context entries */
  entries: number;
  /** names of the sessions, at most 10; of `context`, its session's */
  names: string[];
  /** bytes of contents, names and metadata */
  size: number;
  /** RFC 3339 with offset, microseconds kept */
  deletedAt: string;
  /** when it is removed for good, RFC 3339 */
  expiresAt: string;
  /** who deleted it; null if nobody said */
  author: string | null;
}

/** A page of the trash, newest first. */
export interface TrashList {
  /** at most `limit` */
  items: TrashItem[];
  /** cursor of the next page; null on the last page */
  nextCursor: string | null;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
}

/** Params of `updateContext`. */
export interface UpdateContextParams {
  /** the id of an entry */
  id: number;
  /** a string */
  content?: string | null;
  /** 1 to 64 characters, no control or bidirectional characters, not blank */
  kind?: string | null;
  location?: Location | null;
  /** a state that the server has sent */
  ifState?: string | null;
}

/** Params of `updateMetadata`. */
export interface UpdateMetadataParams {
  /** the name of a session */
  name?: string | null;
  /** the id of a session */
  sessionId?: number | null;
  /** an object (default: {}) */
  updates?: Record<string, unknown> | null;
  /** an array of at most 1000 keys */
  remove?: string[] | null;
  /** a state that the server has sent */
  ifState?: string | null;
}

/** A context entry right after it was changed, without its content. */
export interface WrittenContext {
  /** never reused */
  id: number;
  /** the session's `id` */
  sessionId: number;
  /** null if the session was deleted */
  sessionName: string | null;
  /** label given by the client, for example `note` */
  kind: string;
  /** first line that is not blank, at most 200 UTF-16 units */
  preview: string;
  /** UTF-8 bytes of the content */
  size: number;
  /** RFC 3339 with offset, microseconds kept */
  createdAt: string;
  /** who wrote it; null if another program did, or nobody said */
  author: string | null;
  /** number of the newest committed change */
  revision: number;
  /** opaque name of that revision in this history of the database */
  state: string;
  /** absent if not asked for, or too large for a list */
  content?: string;
  /** when a client last changed it; absent if none has */
  updatedAt?: string;
  /** who wrote it where it was imported from; else absent */
  importedAuthor?: string;
  /** where it belongs, as a `Location`; absent if not given */
  location?: Record<string, unknown>;
}

/** The params of the notification `tenets/session.didChange`. */
export type DidChange = ChangeBatch;

/** Every method of the protocol. Results are what the server has replied. */
export interface SessionMethods {
  /** Create a session; a taken name is `sessionExists`. */
  create(
    params: CreateParams,
    options?: CallOptions,
  ): Promise<CreatedSession>;

  /** Return the session of this name, or null. */
  get(
    params?: GetParams,
    options?: CallOptions,
  ): Promise<SessionResult | null>;

  /** Return a page of sessions, newest `createdAt` first. */
  list(
    params?: ListParams,
    options?: CallOptions,
  ): Promise<SessionList>;

  /** Return the active session, or null. */
  getActive(
    params?: GetActiveParams,
    options?: CallOptions,
  ): Promise<SessionResult | null>;

  /** Merge members into the top level of a session's metadata; null is stored as null. */
  updateMetadata(
    params?: UpdateMetadataParams,
    options?: CallOptions,
  ): Promise<SessionResult>;

  /** Give a session another name; a taken one is `sessionExists`. */
  rename(
    params: RenameParams,
    options?: CallOptions,
  ): Promise<SessionResult>;

  /** Activate a session, which deactivates every other, or deactivate it. */
  setActive(
    params?: SetActiveParams,
    options?: CallOptions,
  ): Promise<SessionResult>;

  /** Deactivate a session: the active one, or the one that is named. */
  exit(
    params?: SwitchParams,
    options?: CallOptions,
  ): Promise<SessionResult>;

  /** Activate a session: the one that was active last, or the one that is named. */
  resume(
    params?: SwitchParams,
    options?: CallOptions,
  ): Promise<SessionResult>;

  /** Add an entry to a session; create the session if there is none of that name. */
  addContext(
    params: AddContextParams,
    options?: CallOptions,
  ): Promise<AddedContext>;

  /** Return a page of entries, oldest first: of a session, of some ids, or of all sessions. */
  listContext(
    params?: ListContextParams,
    options?: CallOptions,
  ): Promise<ContextList>;

  /** Return an entry with its content, or with a piece of it; null if there is no such entry. */
  getContext(
    params: GetContextParams,
    options?: CallOptions,
  ): Promise<ContextPiece | null>;

  /** Return where the entries of a file are now, in its text as it is. It never guesses. */
  locate(
    params: LocateParams,
    options?: CallOptions,
  ): Promise<LocatedContext>;

  /** Change the content, kind or location of an entry. */
  updateContext(
    params: UpdateContextParams,
    options?: CallOptions,
  ): Promise<WrittenContext>;

  /** Remove an entry. */
  removeContext(
    params: RemoveContextParams,
    options?: CallOptions,
  ): Promise<RemovedContext>;

  /** Search the entries and the names of sessions; the best hits come first. */
  search(
    params: SearchParams,
    options?: CallOptions,
  ): Promise<SearchResult>;

  /** Return the session that a folder shows: the one bound to it, else the active one. */
  getCurrent(
    params?: GetCurrentParams,
    options?: CallOptions,
  ): Promise<CurrentResult>;

  /** Have a folder show the session of this name; null: not any more. */
  bind(
    params?: BindParams,
    options?: CallOptions,
  ): Promise<CurrentResult>;

  /** Return all bindings. */
  listBindings(
    params?: NoParams,
    options?: CallOptions,
  ): Promise<BindingList>;

  /** Add a file to a session's pinned files, as the `tenets` command line keeps them. */
  pin(
    params: PinParams,
    options?: CallOptions,
  ): Promise<SessionResult>;

  /** Remove a file from a session's pinned files. */
  unpin(
    params: PinParams,
    options?: CallOptions,
  ): Promise<SessionResult>;

  /** Create a session with the metadata and the context of another one. */
  copy(
    params: CopyParams,
    options?: CallOptions,
  ): Promise<ReplacedSession>;

  /** Remove a session's context, and activate it; its metadata stays. */
  reset(
    params?: ResetParams,
    options?: CallOptions,
  ): Promise<ReplacedSession>;

  /** Delete a session, and its context unless `purgeContext` is false. */
  delete(
    params?: DeleteParams,
    options?: CallOptions,
  ): Promise<Deleted>;

  /** Delete every session, and all context unless `purgeContext` is false. */
  deleteAll(
    params?: DeleteAllParams,
    options?: CallOptions,
  ): Promise<DeletedCount>;

  /** Return a page of what was deleted and can be brought back, newest first. */
  listTrash(
    params?: ListTrashParams,
    options?: CallOptions,
  ): Promise<TrashList>;

  /** Bring back what one request has removed, with the ids that it had. */
  restore(
    params: RestoreParams,
    options?: CallOptions,
  ): Promise<Restored>;

  /** Remove one item of the trash for good, or all of them. */
  emptyTrash(
    params?: EmptyTrashParams,
    options?: CallOptions,
  ): Promise<Emptied>;

  /** Return sessions, by default all of them, as a text. */
  export(
    params?: ExportParams,
    options?: CallOptions,
  ): Promise<Exported>;

  /** Import what was exported as JSON: all of it, or nothing. */
  import(
    params: ImportParams,
    options?: CallOptions,
  ): Promise<Imported>;

  /** Return counts, sizes, and the attached clients. */
  stats(
    params?: NoParams,
    options?: CallOptions,
  ): Promise<Stats>;

  /** Return the changes after a state or revision; `revisionExpired` if they are not known. */
  changes(
    params?: ChangesParams,
    options?: CallOptions,
  ): Promise<ChangeList>;
}
// </generated>

/** How a process ended: one of the two is null. */
export interface ExitStatus {
  code: number | null;
  signal: string | null;
}

export interface StartOptions {
  /** (default: `tenets-session-server` on the PATH) */
  command?: string;
  /** For example `["--database", file]`. */
  args?: readonly string[];
  /** Added to the environment of this process. */
  env?: Record<string, string>;
  /** Where the server's log goes. */
  stderr?: "inherit" | "ignore";
  clientInfo?: { name: string; version?: string };
  /** The author under which the client writes, its folders, and so on. */
  initializationOptions?: Options;
  /** Milliseconds for the server to get ready. */
  timeout?: number;
  /** Whether a server that has ended is started again (default: true). */
  reconnect?: boolean;
}

export interface CallOptions {
  /** Cancels the request; it rejects with the kind `cancelled`. */
  signal?: AbortSignal;
}

export interface Disposable {
  dispose(): void;
}

/** The names that these types had before. */
export type Hit = SearchHit;
export type SessionPage = SessionList;

/**
 * The class of every error that a {@link TenetsSessionClient} rejects with.
 *
 * `kind` is the reason: one of the server's own, or
 * - `invalidParams`: a param is wrong; the message names it;
 * - `startFailed`: the server could not be started; the message has the reason;
 * - `connectionLost`: the server ended; the request may or may not have been executed;
 * - `cancelled`: the signal of the call was aborted;
 * - `protocolError`: anything else, see `code`.
 */
export class TenetsSessionError extends Error {
  constructor(
    kind: string,
    message: string,
    more?: { code?: number; retryable?: boolean; data?: Record<string, unknown>; cause?: unknown },
  );
  readonly kind:
    | ErrorKind
    | "invalidParams"
    | "startFailed"
    | "connectionLost"
    | "cancelled"
    | "protocolError";
  /** Whether the same request may succeed later although nobody changes anything. */
  readonly retryable: boolean;
  /** The JSON-RPC error code; undefined if the error is not from the server. */
  readonly code: number | undefined;
  /** More members of the error, such as the `name` that is taken. */
  readonly data: Record<string, unknown>;
}

/**
 * A `tenets-session-server` and the connection to it.
 *
 * If the server ends, it is started again, and listeners are told of what was committed meanwhile.
 * Requests wait for that. One that was waiting for its reply is sent again if it only reads, or has
 * an `identityKey`; otherwise it rejects with the kind `connectionLost`.
 */
export class TenetsSessionClient {
  private constructor();

  /** Start a server and do the handshake; rejects with the kind `startFailed`. */
  static start(options?: StartOptions): Promise<TenetsSessionClient>;

  /** Every method of the protocol; the client's own are shorter to write. */
  readonly methods: SessionMethods;
  /** The active session. Each change updates it, and so do the client's own methods. */
  readonly active: Session | null;
  /** What the server says of itself in the reply to `initialize`. */
  readonly capability: Capability;
  /** Resolves when the server has ended for good. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** The server's process id. */
  readonly pid: number | undefined;

  /**
   * Call a listener after each commit, by any program; each change comes once, in order. If
   * `incomplete` is true, some are not known: look at everything anew.
   */
  onDidChange(listener: (event: DidChange) => void): Disposable;
  /** Call a listener each time that the server has ended, by {@link stop} or otherwise. */
  onExit(listener: (status: ExitStatus) => void): Disposable;

  create(name: string, params?: Omit<CreateParams, "name">): Promise<CreatedSession>;
  get(name: string): Promise<SessionResult | null>;
  /** Return one page; {@link sessions} yields the sessions of all pages. */
  list(params?: ListParams): Promise<SessionList>;
  /** Yield all sessions, page by page; `limit` is the size of a page. */
  sessions(params?: ListParams): AsyncGenerator<Session, void, void>;
  getActive(): Promise<SessionResult | null>;
  /** Activate a session and deactivate the one that was active; or deactivate it. */
  setActive(name: string, active?: boolean): Promise<SessionResult>;
  /** Set keys at the top level of the metadata; the others stay. */
  updateMetadata(name: string, updates: Record<string, unknown>): Promise<SessionResult>;
  /** Add an entry to a session. Creates the session if there is none of that name. */
  addContext(sessionName: string, kind: string, content: string): Promise<AddedContext>;
  /** Return what has all words of the query, the best first; `"a phrase"`, `-without`. */
  search(query: string, params?: Omit<SearchParams, "query">): Promise<SearchHit[]>;
  /** Bring back what was deleted last; null if nothing was deleted. */
  undo(): Promise<TrashItem | null>;
  /** Delete a session; whether there was one. */
  delete(name: string, params?: Omit<DeleteParams, "name">): Promise<boolean>;
  /** Delete every session; how many there were. */
  deleteAll(params?: DeleteAllParams): Promise<number>;

  /** Send `tenets/session.<verb>` without its types; {@link methods} has them. */
  request(verb: string, params?: object, options?: CallOptions): Promise<any>;
  /**
   * End the server by `shutdown` and `exit`; kill it if it does not end within `timeout`
   * milliseconds. Never rejects. May be called again, and after the server has ended.
   */
  stop(timeout?: number): Promise<ExitStatus>;
}
