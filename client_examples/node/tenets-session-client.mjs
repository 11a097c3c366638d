/**
 * A client of `tenets-session-server`: one connection, its sessions as promises and events.
 *
 * It needs nothing but Node and `vscode-jsonrpc`. Its events have the shape of VS Code's (call with
 * a listener, dispose what comes back), so that code written against it moves into an extension.
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
 * @property {string} createdAt RFC 3339 with offset and microseconds; `Date` would drop the latter.
 * @property {boolean} active At most one session is active, for every editor on the machine.
 * @property {Record<string, unknown>} metadata What was stored, keys untouched. A number that
 *   JavaScript cannot hold (such as an integer beyond 2^53) is rounded here, not in the database.
 * @property {number} [contextCount] Only where it was asked for.
 */

/**
 * Something that was noted in a session.
 *
 * @typedef {object} ContextEntry
 * @property {number} id
 * @property {number} sessionId
 * @property {string | null} sessionName Null once the session is gone and its context was kept.
 * @property {string} kind
 * @property {string} [content] Only where it was asked for.
 * @property {number} size UTF-8 bytes of the content.
 * @property {string} createdAt
 */

/** @typedef {ContextEntry & {sessionCreated: boolean}} AddedContext */

/**
 * @typedef {object} SessionPage
 * @property {Session[]} sessions
 * @property {string | null} nextCursor Null on the last page.
 */

/**
 * @typedef {object} ListParams
 * @property {number} [limit] 1 to 1000, 100 if absent.
 * @property {string | null} [cursor] The `nextCursor` of the page before.
 * @property {boolean} [active] Only sessions that are, or are not, active.
 * @property {string} [namePrefix]
 * @property {"newest" | "oldest"} [order] Newest first if absent.
 * @property {boolean} [includeContextCount]
 */

/**
 * One committed change, by whomever.
 *
 * @typedef {object} Change
 * @property {number} revision
 * @property {"created" | "updated" | "renamed" | "deleted" | "activated" | "deactivated"
 *   | "contextAdded" | "contextRemoved"} type
 * @property {number} sessionId
 * @property {string} sessionName
 * @property {number} [contextId]
 */

/**
 * @typedef {object} DidChange
 * @property {number} revision
 * @property {Change[]} changes
 * @property {Session | null} active The active session once these changes were made.
 * @property {boolean} [incomplete] True where changes are missing: fetch again what you keep.
 */

/**
 * What the server told about itself when it started.
 *
 * @typedef {object} Capability
 * @property {number} protocolVersion
 * @property {string[]} methods
 * @property {number} revision
 * @property {string} database The file.
 * @property {string[]} warnings Worth showing: for instance that the database cannot be opened now.
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
 * @property {string} [command] `tenets-session-server`, found on the PATH, if absent.
 * @property {readonly string[]} [args] For instance `["--database", file]`.
 * @property {Record<string, string>} [env] Added to this process' environment.
 * @property {"inherit" | "ignore"} [stderr] Where the server's log goes.
 * @property {{name: string, version?: string}} [clientInfo]
 * @property {number} [timeout] Milliseconds within which the server has to be ready.
 */

/** @typedef {{dispose(): void}} Disposable */

const PROTOCOL_VERSION = 1;

/** How long a server may take to end by itself, in milliseconds. */
const STOP_TIMEOUT = 5_000;

/** How long output of a process that has ended is waited for, in milliseconds. */
const LAST_OUTPUT_TIMEOUT = 1_000;

/**
 * The one kind of error that a {@link TenetsSessionClient} rejects with.
 *
 * `kind` is what to decide by:
 * - the server's own kinds, such as `sessionExists`, `sessionNotFound` and `databaseBusy`;
 * - `invalidParams`: a param is wrong, the message says which;
 * - `startFailed`: there is no server, the message says why;
 * - `connectionLost`: the server ended; whether the request was carried out is not known;
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
    /** Whether the same request may succeed later without anyone changing anything. */
    this.retryable = retryable;
    /** The JSON-RPC error code; undefined where no server sent the error. */
    this.code = code;
    /** What the server added, such as the `name` that is taken. */
    this.data = data;
  }
}

/** One `tenets-session-server` and the connection to it. Made by {@link TenetsSessionClient.start}. */
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
   * The active session as the server last told it, null for none.
   *
   * Kept up to date by the results of this client's own calls and by every `didChange`.
   *
   * @type {Session | null}
   */
  active = null;

  /** @type {Capability} */
  capability = { protocolVersion: 0, methods: [], revision: 0, database: "", warnings: [] };

  /**
   * Resolves, never rejects, once the process has ended.
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
      // A lost connection has no process any more, or the timer ends it.
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
    // Where a process cannot be signalled, Node emits an error, and throws it if nobody listens.
    child.on("error", () => {});
    const reader = new StreamMessageReader(stdout);
    this.#connection = createMessageConnection(reader, new StreamMessageWriter(stdin));
    this.#connection.onNotification("tenets/session.didChange", (/** @type {DidChange} */ event) => {
      this.active = event.active;
      this.#didChange.fire(event);
    });
    // After something that is no message nothing can be made of what follows, and the replies to
    // what is pending would never be found.
    reader.onError(() => child.kill("SIGKILL"));
    this.exited = new Promise((resolve) => {
      // The streams end after the process: until "close" there may be replies to read. But another
      // process may have inherited stdout and hold it open for good.
      child.once("exit", () => {
        const timer = setTimeout(() => stdout.destroy(), LAST_OUTPUT_TIMEOUT);
        child.once("close", () => clearTimeout(timer));
      });
      // And one that closes its stdout will not answer any more, so it has to end.
      stdout.once("close", () => {
        if (child.exitCode === null && child.signalCode === null) {
          const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT);
          child.once("exit", () => clearTimeout(timer));
        }
      });
      child.once("close", (code, signal) => {
        const status = { code, signal };
        // When its streams close a connection forgets nobody who waits for a reply, but tells
        // nobody either; being disposed of it rejects them all.
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
   * Hear of every change that anyone commits. By then {@link active} is up to date.
   *
   * @param {(event: DidChange) => void} listener
   * @returns {Disposable}
   */
  onDidChange(listener) {
    return this.#didChange.event(listener);
  }

  /**
   * Hear of the end of the server, be it by {@link stop} or not. Pending requests are rejected.
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
   * @returns {Promise<Session>} kind `sessionExists` where the name is taken.
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
   * One page; {@link sessions} goes through all of them.
   *
   * @param {ListParams} [params]
   * @returns {Promise<SessionPage>}
   */
  async list(params = {}) {
    return this.request("list", params);
  }

  /**
   * All sessions, fetched page by page. None is skipped or repeated while others write.
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
   * Make a session the active one, or no longer. Whichever else was active no longer is.
   *
   * @param {string} name
   * @param {boolean} [active]
   * @returns {Promise<Session>} kind `sessionNotFound` where there is none.
   */
  async setActive(name, active = true) {
    return this.#noting(await this.request("setActive", { name, active }));
  }

  /**
   * Set some keys of the metadata, leave the others.
   *
   * @param {string} name
   * @param {Record<string, unknown>} updates
   * @returns {Promise<Session>} kind `sessionNotFound` where there is none.
   */
  async updateMetadata(name, updates) {
    return this.#noting(await this.request("updateMetadata", { name, updates }));
  }

  /**
   * Note something in a session, which is created where it is missing.
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
   * Send `tenets/session.<verb>`: for methods that have no wrapper here, see
   * `capability.methods`.
   *
   * @param {string} verb
   * @param {object} [params]
   * @returns {Promise<any>}
   */
  async request(verb, params = {}) {
    return this.#send(`tenets/session.${verb}`, params);
  }

  /**
   * End the server in the orderly way, or, where it does not end, the other way.
   *
   * Never rejects; may be called again, and after the server has ended.
   *
   * @param {number} [timeout] Milliseconds that the server has to end by itself.
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
      // Ended already, or by the timer: how, its status tells. A server that refuses `shutdown`
      // is still to end, and the end of its input makes it.
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
      // A database that is not there yet is no reason to have no client: the server tells of it in
      // `warnings`, and each request tries again.
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
      // Without params the member has to be absent: given as undefined it would be sent as [null].
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
      // With the pipe still open it was not the pipe: the params cannot be written as JSON.
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
