/**
 * A client of `tenets-session-server`: promises and events, and a server that is started again.
 *
 * Copy it with `tenets-session-client.d.mts`, which has its types and says what its methods do. It
 * needs Node and `vscode-jsonrpc` only. Its events have the shape of VS Code's (call with a
 * listener, dispose the result), so code that uses it can move into an extension.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import {
  CancellationTokenSource,
  createMessageConnection,
  Emitter,
  ErrorCodes,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";

// <generated>
const READS = new Set([
  "get", "list", "getActive", "listContext", "getContext", "locate", "search", "getCurrent",
  "listBindings", "listTrash", "export", "stats", "changes",
]);
// </generated>

const PREFIX = "tenets/session.";
const PROTOCOL_VERSION = 1;
// Milliseconds.
const STOP_TIMEOUT = 5_000; // for a server to end after `exit`; then it is killed
const LAST_OUTPUT_TIMEOUT = 1_000; // to wait for the output of a process that has ended
const FIRST_DELAY = 100; // before a server that has ended is started again; it doubles each time
const LONGEST_DELAY = 10_000;
const STABLE = 30_000; // that a connection has to last for the first delay to apply again
const PATIENCE = 5; // attempts after which requests fail at once, until an attempt succeeds
const REPEATS = 2; // how often a request is sent again after the server has ended

export class TenetsSessionError extends Error {
  constructor(kind, message, { code, retryable = false, data = {}, cause } = {}) {
    super(message, { cause });
    Object.assign(this, { name: "TenetsSessionError", kind, retryable, code, data });
  }
}

/** One process of the server, and the connection to it. */
class Server {
  constructor(child, onDidChange) {
    const { stdin, stdout } = child;
    Object.assign(this, { child, startedAt: Date.now() });
    // If a process cannot be signalled, Node emits an error, and throws it without a listener.
    child.on("error", () => {});
    const reader = new StreamMessageReader(stdout);
    this.connection = createMessageConnection(reader, new StreamMessageWriter(stdin));
    this.connection.onNotification(`${PREFIX}didChange`, onDidChange);
    // vscode-jsonrpc answers every other request with MethodNotFound.
    this.connection.onRequest("window/showMessageRequest", () => null);
    // After invalid data the next message cannot be found, so pending requests would wait forever.
    reader.onError(() => child.kill("SIGKILL"));
    this.connection.onError(() => stdin.writable || child.kill("SIGKILL"));
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
        this.connection.dispose(); // which rejects pending requests
        resolve({ code, signal });
      });
    });
    this.connection.listen();
  }

  static async spawned({ command, args, env, stderr }, onDidChange) {
    try {
      const options = { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", stderr] };
      const child = spawn(command, args, { ...options, windowsHide: true });
      await once(child, "spawn");
      return new Server(child, onDidChange);
    } catch (error) {
      throw startFailed(`${command} could not be started: ${reasonFor(error)}`, error);
    }
  }

  /** Send a request, and a cancellation if the signal is aborted before its reply. */
  async send(method, params, signal) {
    if (signal?.aborted) throw cancelled(signal);
    const source = new CancellationTokenSource();
    // Without params the member has to be absent: undefined would be sent as [null].
    const given = params === undefined ? [source.token] : [params, source.token];
    try {
      const reply = this.connection.sendRequest(method, ...given);
      return await (signal ? untilAborted(reply, signal, () => source.cancel()) : reply);
    } catch (error) {
      throw this.#translated(error);
    } finally {
      source.dispose();
    }
  }

  #translated(error) {
    if (error instanceof TenetsSessionError) return error;
    const { code, message } = error;
    if (code === ErrorCodes.MessageWriteError && this.child.stdin?.writable) {
      // The pipe is open, so the reason is that the params cannot be written as JSON.
      return new TenetsSessionError("invalidParams", message, { cause: error });
    }
    const own = [ErrorCodes.MessageWriteError, ErrorCodes.PendingResponseRejected];
    if (!(error instanceof ResponseError) || own.includes(code)) return connectionLost(error);
    const { kind, retryable, ...data } = error.data ?? {};
    const named = kind ?? (code === ErrorCodes.InvalidParams ? "invalidParams" : "protocolError");
    return new TenetsSessionError(named, message, { code, retryable, data, cause: error });
  }
}

export class TenetsSessionClient {
  #options;
  #server;
  #didChange = new Emitter();
  #exit = new Emitter();
  #stopping = null;
  #stopped = new AbortController();
  #ended;
  #state = ""; // that was told
  #revision = 0;
  #held = []; // until what was before it is told; then null
  #waiting = null; // while there is no connection: resolves when there is one, or a problem
  #wake = () => {};
  #problem = null; // why requests fail at once
  #attempts = 0;

  active = null;
  capability = { protocolVersion: 0, methods: [], revision: 0, database: "", warnings: [] };
  exited = new Promise((resolve) => (this.#ended = resolve));
  methods = new Proxy(Object.freeze({}), {
    get: (_, verb) =>
      typeof verb === "symbol" || verb === "then" // it is no promise
        ? undefined
        : (params, options) => this.request(verb, params, options),
  });

  static async start({
    command = "tenets-session-server",
    args = [],
    env = {},
    stderr = "inherit",
    clientInfo = { name: "tenets-session-client.mjs" },
    initializationOptions,
    timeout = 30_000,
    reconnect = true,
  } = {}) {
    const client = new TenetsSessionClient();
    const start = { command, args, env, stderr };
    client.#options = { start, clientInfo, initializationOptions, timeout, reconnect };
    await client.#connect(false);
    return client;
  }

  get pid() {
    return this.#server.child.pid;
  }
  onDidChange = (listener) => this.#didChange.event(listener);
  onExit = (listener) => this.#exit.event(listener);

  // Shortcuts; `methods` has all.
  get = (name) => this.request("get", { name });
  list = (params = {}) => this.request("list", params);
  getActive = async () => (this.active = await this.request("getActive"));
  create = async (name, params = {}) =>
    this.#noting(await this.request("create", { ...params, name }));
  setActive = async (name, active = true) =>
    this.#noting(await this.request("setActive", { name, active }));
  updateMetadata = async (name, updates) =>
    this.#noting(await this.request("updateMetadata", { name, updates }));
  addContext = (sessionName, kind, content) =>
    this.request("addContext", { sessionName, kind, content });
  search = async (query, params = {}) => (await this.request("search", { ...params, query })).hits;

  async *sessions(params = {}) {
    let page = { nextCursor: params.cursor };
    do {
      page = await this.list({ ...params, cursor: page.nextCursor });
      yield* page.sessions;
    } while (page.nextCursor !== null);
  }

  async undo() {
    const [item] = (await this.request("listTrash", { limit: 1 })).items;
    return item ? (await this.request("restore", { id: item.id })) && item : null;
  }

  async delete(name, params = {}) {
    const { deleted } = await this.request("delete", { ...params, name });
    if (this.active?.name === name) this.active = null;
    return deleted;
  }

  async deleteAll(params = {}) {
    const { deleted } = await this.request("deleteAll", params);
    this.active = null;
    return deleted;
  }

  async request(verb, params = {}, { signal } = {}) {
    let repeats = READS.has(verb) || params?.identityKey ? REPEATS : 0;
    for (;;) {
      while (this.#waiting !== null && this.#problem === null) {
        await (signal ? untilAborted(this.#waiting, signal, () => {}) : this.#waiting);
      }
      if (this.#problem !== null) throw connectionLost(undefined, this.#problem);
      try {
        return await this.#server.send(PREFIX + verb, params, signal);
      } catch (error) {
        if (!isLost(error) || !this.#reconnects || repeats-- === 0) throw error;
        await this.#server.exited; // from then on there is something to wait for
      }
    }
  }

  stop = (timeout = STOP_TIMEOUT) => (this.#stopping ??= this.#stop(timeout));

  async #stop(timeout) {
    this.#stopped.abort();
    const server = this.#server;
    const timer = setTimeout(() => server.child.kill("SIGKILL"), timeout);
    const asked = server.send("shutdown").then(() => server.connection.sendNotification("exit"));
    await asked.catch(() => {}); // it has ended, or the timer killed it; the status says which
    server.child.stdin.end();
    await server.exited;
    clearTimeout(timer);
    return this.exited;
  }

  get #reconnects() {
    return this.#options.reconnect && this.#stopping === null;
  }

  async #connect(catchUp) {
    const { start, timeout } = this.#options;
    this.#held = [];
    const server = await Server.spawned(start, (batch) =>
      this.#held === null ? this.#tell(batch) : this.#held.push(batch),
    );
    this.#server = server;
    const { child } = server;
    if (this.#stopping !== null) child.kill("SIGKILL");
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, timeout);
    try {
      await this.#handshake(server, catchUp);
    } catch (error) {
      const lost = isLost(error);
      if (!lost) child.kill("SIGKILL");
      // If the connection is lost, the process has ended, or the timer kills it.
      const { code, signal } = await server.exited;
      const end = signal === null ? `ended with status ${code}` : `was ended by ${signal}`;
      const how = lost ? `${end} before it was ready` : `refused to start: ${reasonFor(error)}`;
      const told = late ? `was not ready within ${timeout} ms` : how;
      throw startFailed(`${start.command} ${told}`, error);
    } finally {
      clearTimeout(timer);
    }
    const held = this.#held;
    this.#held = this.#waiting = this.#problem = null;
    this.#wake();
    held.forEach((batch) => this.#tell(batch));
    void server.exited.then((status) => this.#lost(server, status));
  }

  async #handshake(server, catchUp) {
    const { clientInfo, initializationOptions } = this.#options;
    const result = await server.send("initialize", {
      processId: process.pid,
      clientInfo,
      rootUri: null,
      capabilities: {},
      initializationOptions,
    });
    const capability = result?.capabilities?.experimental?.tenetsSession;
    if (capability?.protocolVersion !== PROTOCOL_VERSION) {
      const spoken = `the server speaks ${capability?.protocolVersion ?? "something else"}`;
      const needed = `protocol version ${PROTOCOL_VERSION} is needed, ${spoken}`;
      throw new TenetsSessionError("protocolError", needed);
    }
    this.capability = capability;
    await server.connection.sendNotification("initialized", {});
    if (catchUp) return this.#catchUp(server);
    this.#state = capability.state ?? "";
    this.#revision = capability.revision ?? 0;
    // A database that cannot be opened does not prevent a client: `warnings` has the problem, and
    // each request tries again.
    this.active = await server.send(`${PREFIX}getActive`).catch((error) => {
      if (isLost(error)) throw error;
      return null;
    });
  }

  /** Tell of what was committed since listeners were last told of something. */
  async #catchUp(server) {
    const ask = (verb, params = {}) => server.send(PREFIX + verb, params);
    const batch = { revision: this.#revision, state: this.#state, changes: [], active: null };
    try {
      for (let round = 0; round < 100; round++) {
        // It is that of the last state if nothing has changed afterwards.
        batch.active = plain(await ask("getActive"));
        const page = await ask("changes", { sinceState: batch.state, limit: 1000 });
        batch.changes.push(...page.changes);
        Object.assign(batch, { state: page.state, revision: page.revision });
        if (page.changes.length === 0) break;
      }
      for (const folder of this.capability.folders ?? []) {
        (batch.currents ??= []).push(plain(await ask("getCurrent", { folder })));
      }
    } catch (error) {
      if (isLost(error)) throw error;
      const { state, revision } = this.capability; // the changes are not known, or not readable
      Object.assign(batch, { state: state ?? "", revision, changes: [], incomplete: true });
    }
    if (batch.incomplete || batch.changes.length > 0) this.#tell(batch);
  }

  /** Tell of changes that were not told before. */
  #tell(batch) {
    const told = this.#revision;
    if (!batch.incomplete && batch.revision <= told) return;
    this.#state = batch.state;
    this.#revision = batch.revision;
    this.active = batch.active;
    const changes = batch.changes.filter(({ revision }) => batch.incomplete || !(revision <= told));
    this.#didChange.fire({ ...batch, changes });
  }

  async #lost(server, status) {
    if (this.#reconnects) {
      this.#waiting = new Promise((resolve) => (this.#wake = resolve));
      this.#attempts = Date.now() - server.startedAt > STABLE ? 0 : this.#attempts;
    }
    this.#exit.fire(status);
    while (this.#reconnects) {
      const delay = Math.min(FIRST_DELAY * 2 ** this.#attempts++, LONGEST_DELAY);
      await sleep(delay, undefined, { signal: this.#stopped.signal }).catch(() => {});
      try {
        if (this.#reconnects) return await this.#connect(true);
      } catch (error) {
        if (this.#attempts > PATIENCE) {
          this.#problem = `the server cannot be started again: ${error.message}`;
          this.#wake();
        }
      }
    }
    this.#problem = "the server has ended";
    this.#wake();
    this.#ended(status);
  }

  #noting(session) {
    if (session.active) this.active = session;
    else if (this.active?.id === session.id) this.active = null;
    return session;
  }
}

function untilAborted(promise, signal, cancel) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      cancel();
      reject(cancelled(signal));
    };
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** A session without the state that it was read in. */
function plain(found) {
  const { revision: _revision, state: _state, ...rest } = found ?? {};
  return found && rest;
}

const isLost = (error) => !(error instanceof TenetsSessionError) || error.kind === "connectionLost";
const connectionLost = (cause, message = "the server has ended") =>
  new TenetsSessionError("connectionLost", message, { cause });
const cancelled = ({ reason: cause }) =>
  new TenetsSessionError("cancelled", "the request was cancelled", { cause });
const startFailed = (message, cause) => new TenetsSessionError("startFailed", message, { cause });
const REASONS = {
  ENOENT: "there is no such program; is it installed, and on the PATH?",
  EACCES: "it may not be executed",
};
const reasonFor = ({ code, message }) => REASONS[code] ?? message;
