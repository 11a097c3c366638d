/**
 * A client of `tenets-session-server`: one connection, with promises and events.
 *
 * It needs Node and `vscode-jsonrpc` only. Its events have the shape of VS Code's (call with a
 * listener, dispose the result), so code that uses it can move into an extension.
 *
 * @module tenets-session-client
 */

import { spawn } from "node:child_process";
import { once } from "node:events";

import {
  createMessageConnection,
  Emitter,
  ErrorCodes,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";

/**
 * A named work session.
 *
 * @typedef {object} Session
 * @property {number} id
 * @property {string} name
 * @property {string} createdAt RFC 3339 with offset and microseconds; `Date` drops microseconds.
 * @property {boolean} active At most one session is active, for every editor on the machine.
 * @property {Record<string, unknown>} metadata As it was stored. A number that JavaScript cannot
 *   represent (such as an integer beyond 2^53) is rounded here, not in the database.
 * @property {number} [contextCount] Only if it was asked for.
 */

/**
 * A note or another piece of text in a session.
 *
 * @typedef {object} ContextEntry
 * @property {number} id
 * @property {number} sessionId
 * @property {string | null} sessionName Null if the session was deleted and its context kept.
 * @property {string} kind
 * @property {string} [content] Only if it was asked for.
 * @property {number} size UTF-8 bytes of the content.
 * @property {string} createdAt
 * @property {string} preview The first line that is not blank.
 * @property {string | null} author
 */

/** @typedef {ContextEntry & {sessionCreated: boolean}} AddedContext */

/**
 * @typedef {object} SessionPage
 * @property {Session[]} sessions
 * @property {string | null} nextCursor Null on the last page.
 */

/**
 * @typedef {object} ListParams
 * @property {number} [limit] 1 to 1000 (default: 100).
 * @property {string | null} [cursor] The `nextCursor` of the previous page.
 * @property {boolean} [active] Only sessions that are, or are not, active.
 * @property {string} [namePrefix]
 * @property {"newest" | "oldest"} [order] (default: `"newest"`)
 * @property {boolean} [includeContextCount]
 */

/**
 * One committed change, by any program.
 *
 * @typedef {object} Change
 * @property {number} revision
 * @property {"created" | "updated" | "renamed" | "deleted" | "restored" | "reset" | "activated"
 *   | "deactivated" | "bound" | "contextAdded" | "contextUpdated" | "contextRemoved"} type
 * @property {number | null} sessionId
 * @property {string | null} sessionName
 * @property {number} [contextId]
 */

/**
 * What a search has found: an entry, or (null) a session by its name.
 *
 * @typedef {object} Hit
 * @property {{id: number, name: string | null}} session
 * @property {{id: number, kind: string, preview: string} | null} entry
 * @property {string} snippet
 * @property {[number, number][]} matches Places in the snippet.
 * @property {number} score
 */

/**
 * What one request has removed.
 *
 * @typedef {object} TrashItem
 * @property {number} id
 * @property {"sessions" | "context"} type
 * @property {number} sessions
 * @property {number} entries
 * @property {string[]} names
 * @property {string} deletedAt
 */

/**
 * @typedef {object} DidChange
 * @property {number} revision
 * @property {Change[]} changes
 * @property {Session | null} active The active session after these changes.
 * @property {boolean} [incomplete] True if changes are missing: fetch the sessions again.
 */

/**
 * What the server says of itself in the reply to `initialize`.
 *
 * @typedef {object} Capability
 * @property {number} protocolVersion
 * @property {string[]} methods
 * @property {number} revision
 * @property {string} database Absolute path of the file.
 * @property {string[]} warnings To show to the user: the database cannot be opened, for example.
 */

/**
 * How a process ended: one of the two is null.
 *
 * @typedef {object} ExitStatus
 * @property {number | null} code
 * @property {NodeJS.Signals | null} signal
 */

/**
 * @typedef {object} StartOptions
 * @property {string} [command] (default: `tenets-session-server` on the PATH)
 * @property {readonly string[]} [args] For example `["--database", file]`.
 * @property {Record<string, string>} [env] Added to the environment of this process.
 * @property {"inherit" | "ignore"} [stderr] Where the server's log goes.
 * @property {{name: string, version?: string}} [clientInfo]
 * @property {number} [timeout] Milliseconds for the server to get ready.
 */

/** @typedef {{dispose(): void}} Disposable */

const PROTOCOL_VERSION = 1;

/** Milliseconds for a server to end after `exit`; then it is killed. */
const STOP_TIMEOUT = 5_000;

/** Milliseconds to wait for the output of a process that has ended. */
const LAST_OUTPUT_TIMEOUT = 1_000;

/**
 * The class of every error that a {@link TenetsSessionClient} rejects with.
 *
 * `kind` is the reason:
 * - the server's own kinds, such as `sessionExists`, `sessionNotFound` and `databaseBusy`;
 * - `invalidParams`: a param is wrong; the message names it;
 * - `startFailed`: the server could not be started; the message has the reason;
 * - `connectionLost`: the server ended; the request may or may not have been executed;
 * - `protocolError`: anything else, see `code`.
 */
export class TenetsSessionError extends Error {
  /**
   * @param {string} kind
   * @param {string} message
   * @param {{code?: number, retryable?: boolean, data?: Record<string, unknown>, cause?: unknown}} [more]
   */
  constructor(kind, message, { code, retryable = false, data = {}, cause } = {}) {
    super(message, { cause });
    this.name = "TenetsSessionError";
    this.kind = kind;
    /** Whether the same request may succeed later although nobody changes anything. */
    this.retryable = retryable;
    /** The JSON-RPC error code; undefined if the error is not from the server. */
    this.code = code;
    /** More members of the error, such as the `name` that is taken. */
    this.data = data;
  }
}

/** A `tenets-session-server` and the connection to it; use {@link TenetsSessionClient.start}. */
export class TenetsSessionClient {
  /** @type {import("node:child_process").ChildProcess} */
  #child;
  /** @type {import("vscode-jsonrpc/node").MessageConnection} */
  #connection;
  /** @type {Emitter<DidChange>} */
  #didChange = new Emitter();
  /** @type {Emitter<ExitStatus>} */
  #exit = new Emitter();
  /** @type {Promise<ExitStatus> | null} */
  #stopping = null;

  /**
   * The active session, null if there is none.
   *
   * Each `didChange` updates it, and so do the results of this client's own calls.
   *
   * @type {Session | null}
   */
  active = null;

  /** @type {Capability} */
  capability = { protocolVersion: 0, methods: [], revision: 0, database: "", warnings: [] };

  /**
   * Resolves when the process has ended. Never rejects.
   *
   * @type {Promise<ExitStatus>}
   */
  exited;

  /**
   * Start a server and do the handshake.
   *
   * @param {StartOptions} [options]
   * @returns {Promise<TenetsSessionClient>}
   * @throws {TenetsSessionError} of kind `startFailed`; no process is left behind.
   */
  static async start({
    command = "tenets-session-server",
    args = [],
    env = {},
    stderr = "inherit",
    clientInfo = { name: "tenets-session-client.mjs" },
    timeout = 30_000,
  } = {}) {
    /** @type {import("node:child_process").ChildProcess} */
    let child;
    try {
      child = spawn(command, args, {
        env: { ...process.env, ...env },
        stdio: ["pipe", "pipe", stderr],
        windowsHide: true,
      });
      await once(child, "spawn");
    } catch (error) {
      throw startFailed(`${command} could not be started: ${reasonFor(error)}`, error);
    }
    const client = new TenetsSessionClient(child);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, timeout);
    try {
      await client.#handshake(clientInfo);
    } catch (error) {
      const lost = isLost(error);
      if (!lost) {
        child.kill("SIGKILL");
      }
      // If the connection is lost, the process has ended, or the timer kills it.
      const { code, signal } = await client.exited;
      if (late) {
        throw startFailed(`${command} was not ready within ${timeout} ms`, error);
      }
      if (!lost) {
        throw startFailed(`${command} refused to start: ${reasonFor(error)}`, error);
      }
      const end = signal === null ? `ended with status ${code}` : `was ended by ${signal}`;
      throw startFailed(`${command} ${end} before it was ready`, error);
    } finally {
      clearTimeout(timer);
    }
    return client;
  }

  /**
   * Use {@link TenetsSessionClient.start}.
   *
   * @param {import("node:child_process").ChildProcess} child
   */
  constructor(child) {
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) {
      throw new TypeError("the server's stdin and stdout have to be pipes");
    }
    this.#child = child;
    // If a process cannot be signalled, Node emits an error, and throws it without a listener.
    child.on("error", () => {});
    const reader = new StreamMessageReader(stdout);
    this.#connection = createMessageConnection(reader, new StreamMessageWriter(stdin));
    this.#connection.onNotification("tenets/session.didChange", (/** @type {DidChange} */ event) => {
      this.active = event.active;
      this.#didChange.fire(event);
    });
    // After invalid data the next message cannot be found, so pending requests would wait forever.
    reader.onError(() => child.kill("SIGKILL"));
    this.exited = new Promise((resolve) => {
      // The streams end after the process: until "close" there may be replies to read. But if
      // another process has inherited stdout, it may stay open forever.
      child.once("exit", () => {
        const timer = setTimeout(() => stdout.destroy(), LAST_OUTPUT_TIMEOUT);
        child.once("close", () => clearTimeout(timer));
      });
      // A server that closes its stdout cannot reply any more, so it has to end.
      stdout.once("close", () => {
        if (child.exitCode === null && child.signalCode === null) {
          const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT);
          child.once("exit", () => clearTimeout(timer));
        }
      });
      child.once("close", (code, signal) => {
        const status = { code, signal };
        // When the streams close, the connection leaves pending requests pending. dispose()
        // rejects them.
        this.#connection.dispose();
        resolve(status);
        this.#exit.fire(status);
      });
    });
    this.#connection.listen();
  }

  /** The server's process id. */
  get pid() {
    return this.#child.pid;
  }

  /**
   * Call a listener after each commit, by any program. {@link active} is up to date by then.
   *
   * @param {(event: DidChange) => void} listener
   * @returns {Disposable}
   */
  onDidChange(listener) {
    return this.#didChange.event(listener);
  }

  /**
   * Call a listener when the server has ended, by {@link stop} or otherwise. Pending requests are
   * rejected.
   *
   * @param {(status: ExitStatus) => void} listener
   * @returns {Disposable}
   */
  onExit(listener) {
    return this.#exit.event(listener);
  }

  /**
   * @param {string} name
   * @param {{metadata?: Record<string, unknown>, active?: boolean}} [params]
   * @returns {Promise<Session>} kind `sessionExists` if the name is taken.
   */
  async create(name, params = {}) {
    return this.#noting(await this.request("create", { ...params, name }));
  }

  /**
   * @param {string} name
   * @returns {Promise<Session | null>}
   */
  async get(name) {
    return this.request("get", { name });
  }

  /**
   * Return one page; {@link sessions} yields the sessions of all pages.
   *
   * @param {ListParams} [params]
   * @returns {Promise<SessionPage>}
   */
  async list(params = {}) {
    return this.request("list", params);
  }

  /**
   * Yield all sessions, fetched page by page. None is skipped or repeated while others write.
   *
   * @param {ListParams} [params] `limit` is the size of a page.
   * @returns {AsyncGenerator<Session, void, void>}
   */
  async *sessions(params = {}) {
    let cursor = params.cursor ?? null;
    do {
      const page = await this.list({ ...params, cursor });
      yield* page.sessions;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  /** @returns {Promise<Session | null>} */
  async getActive() {
    this.active = await this.request("getActive");
    return this.active;
  }

  /**
   * Activate a session and deactivate the one that was active; or deactivate it.
   *
   * @param {string} name
   * @param {boolean} [active]
   * @returns {Promise<Session>} kind `sessionNotFound` if there is none.
   */
  async setActive(name, active = true) {
    return this.#noting(await this.request("setActive", { name, active }));
  }

  /**
   * Set keys at the top level of the metadata; the others stay.
   *
   * @param {string} name
   * @param {Record<string, unknown>} updates
   * @returns {Promise<Session>} kind `sessionNotFound` if there is none.
   */
  async updateMetadata(name, updates) {
    return this.#noting(await this.request("updateMetadata", { name, updates }));
  }

  /**
   * Add an entry to a session. Creates the session if there is none of that name.
   *
   * @param {string} sessionName
   * @param {string} kind
   * @param {string} content
   * @returns {Promise<AddedContext>}
   */
  async addContext(sessionName, kind, content) {
    return this.request("addContext", { sessionName, kind, content });
  }

  /**
   * Search entries and names: all words have to occur; `"a phrase"`, `-without`.
   *
   * @param {string} query
   * @param {{sessionName?: string, kind?: string, author?: string, limit?: number}} [params]
   * @returns {Promise<Hit[]>} the best first.
   */
  async search(query, params = {}) {
    return (await this.request("search", { ...params, query })).hits;
  }

  /**
   * Bring back what was deleted last.
   *
   * @returns {Promise<TrashItem | null>} what that is, null if nothing was deleted.
   */
  async undo() {
    const [item = null] = (await this.request("listTrash", { limit: 1 })).items;
    if (item !== null) {
      await this.request("restore", { id: item.id });
    }
    return item;
  }

  /**
   * @param {string} name
   * @param {{purgeContext?: boolean}} [params]
   * @returns {Promise<boolean>} whether there was such a session.
   */
  async delete(name, params = {}) {
    const { deleted } = await this.request("delete", { ...params, name });
    if (this.active?.name === name) {
      this.active = null;
    }
    return deleted;
  }

  /**
   * @param {{purgeContext?: boolean}} [params]
   * @returns {Promise<number>} how many there were.
   */
  async deleteAll(params = {}) {
    const { deleted } = await this.request("deleteAll", params);
    this.active = null;
    return deleted;
  }

  /**
   * Send `tenets/session.<verb>`, for methods without a wrapper here. `capability.methods` has
   * them all.
   *
   * @param {string} verb
   * @param {object} [params]
   * @returns {Promise<any>}
   */
  async request(verb, params = {}) {
    return this.#send(`tenets/session.${verb}`, params);
  }

  /**
   * End the server by `shutdown` and `exit`; kill it if it does not end.
   *
   * Never rejects. May be called again, and after the server has ended.
   *
   * @param {number} [timeout] Milliseconds for the server to end by itself.
   * @returns {Promise<ExitStatus>} `{code: 0, signal: null}` if all went well.
   */
  stop(timeout = STOP_TIMEOUT) {
    this.#stopping ??= this.#stop(timeout);
    return this.#stopping;
  }

  /** @param {number} timeout */
  async #stop(timeout) {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), timeout);
    try {
      await this.#send("shutdown");
      await this.#connection.sendNotification("exit");
    } catch {
      // The server has ended, or the timer killed it; the status says which. A server that refuses
      // `shutdown` ends at the end of its input.
    } finally {
      this.#child.stdin?.end();
    }
    const status = await this.exited;
    clearTimeout(timer);
    return status;
  }

  /** @param {{name: string, version?: string}} clientInfo */
  async #handshake(clientInfo) {
    const result = await this.#send("initialize", {
      processId: process.pid,
      clientInfo,
      rootUri: null,
      capabilities: {},
    });
    const capability = result?.capabilities?.experimental?.tenetsSession;
    if (capability?.protocolVersion !== PROTOCOL_VERSION) {
      const spoken = capability?.protocolVersion ?? "something else";
      throw new TenetsSessionError(
        "protocolError",
        `protocol version ${PROTOCOL_VERSION} is needed, the server speaks ${spoken}`,
      );
    }
    this.capability = capability;
    await this.#connection.sendNotification("initialized", {});
    try {
      await this.getActive();
    } catch (error) {
      // A database that cannot be opened does not prevent a client: `warnings` has the problem, and
      // each request tries again.
      if (isLost(error)) {
        throw error;
      }
    }
  }

  /**
   * @param {string} method
   * @param {object} [params]
   * @returns {Promise<any>}
   */
  async #send(method, params) {
    try {
      // Without params the member has to be absent: undefined would be sent as [null].
      return await (params === undefined
        ? this.#connection.sendRequest(method)
        : this.#connection.sendRequest(method, params));
    } catch (error) {
      throw this.#translated(error);
    }
  }

  /** @param {unknown} error */
  #translated(error) {
    if (!(error instanceof ResponseError)) {
      return connectionLost(error);
    }
    if (error.code === ErrorCodes.PendingResponseRejected) {
      return connectionLost(error);
    }
    if (error.code === ErrorCodes.MessageWriteError) {
      // If the pipe is open, the reason is that the params cannot be written as JSON.
      return this.#child.stdin?.writable
        ? new TenetsSessionError("invalidParams", error.message, { cause: error })
        : connectionLost(error);
    }
    const { code, message } = error;
    const { kind, retryable, ...data } = error.data ?? {};
    const named = kind ?? (code === ErrorCodes.InvalidParams ? "invalidParams" : "protocolError");
    return new TenetsSessionError(named, message, { code, retryable, data, cause: error });
  }

  /**
   * @param {Session} session
   * @returns {Session}
   */
  #noting(session) {
    if (session.active) {
      this.active = session;
    } else if (this.active?.id === session.id) {
      this.active = null;
    }
    return session;
  }
}

/** @param {unknown} error */
function isLost(error) {
  return !(error instanceof TenetsSessionError) || error.kind === "connectionLost";
}

/** @param {unknown} cause */
function connectionLost(cause) {
  return new TenetsSessionError("connectionLost", "the server has ended", { cause });
}

/**
 * @param {string} message
 * @param {unknown} cause
 */
function startFailed(message, cause) {
  return new TenetsSessionError("startFailed", message, { cause });
}

/** @param {unknown} error */
function reasonFor(error) {
  const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
  if (code === "ENOENT") {
    return "there is no such program; is it installed, and on the PATH?";
  }
  return code === "EACCES" ? "it may not be executed" : message;
}
