// Finds the server, keeps it running, and sends it requests.

import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import * as vscode from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  ResponseError,
  RevealOutputChannelOn,
  State,
  type Executable,
  type LanguageClientOptions,
} from "vscode-languageclient/node";
import type { Capability, ChangeBatch, SessionMethods } from "./protocol";

/** `missing`: there is none to start. `stopped`: it has ended, and does not come back by itself. */
export type ServerState = "starting" | "running" | "missing" | "stopped";

const PROGRAM =
  process.platform === "win32" ? "tenets-session-server.exe" : "tenets-session-server";
const PYTHON = process.platform === "win32" ? "python.exe" : "python3";
const MODULE = "tenets_session_server";
export const INSTALL = "pipx install tenets-session-server";
/** Milliseconds until a server that has ended is started again; the last one again and again. */
const DELAYS = [100, 500, 2000, 10_000, 30_000];
/** Milliseconds after which a server is taken to be in order. */
const STABLE = 60_000;

/** Of files that other windows find again: on this machine, a remote one, or a virtual file system. */
export const SCHEMES = ["file", "vscode-remote", "vscode-vfs"];

/** It logs what it would show again with each attempt to start. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** An error of the server; `kind` is as in its protocol, or "" for another one. */
export class SessionError extends Error {
  constructor(
    readonly kind: string,
    message: string,
    readonly data: Record<string, unknown>,
  ) {
    super(message);
  }
}

export class Server implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private ended = false;
  private attempts = 0;
  private startedAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly told = new Set<string>();
  private readonly changed = new vscode.EventEmitter<ChangeBatch>();
  private readonly stateChanged = new vscode.EventEmitter<ServerState>();
  readonly onDidChange = this.changed.event;
  readonly onDidChangeState = this.stateChanged.event;
  /** Every method of the protocol. Rejected with a {@link SessionError}. */
  readonly methods: SessionMethods;
  state: ServerState = "starting";

  /** `isLocal`: it runs on this machine, the window's folders are on another one. */
  constructor(
    readonly log: vscode.LogOutputChannel,
    private readonly isLocal: boolean,
  ) {
    this.methods = new Proxy({} as SessionMethods, {
      get: (_, verb: string) => (params?: object, options?: { signal?: AbortSignal }) =>
        this.request(verb, params, options?.signal),
    });
  }

  get capability(): Capability | undefined {
    return this.client?.initializeResult?.capabilities.experimental?.tenetsSession;
  }

  /** Start the server, in place of one that runs. */
  async start(): Promise<void> {
    clearTimeout(this.timer);
    await this.stopClient();
    this.become("starting");
    const command = await findCommand(this.log, this.isLocal);
    if (this.ended) return;
    if (!command) return this.become("missing");
    this.log.info(`starting ${[command.command, ...(command.args ?? [])].join(" ")}`);
    this.startedAt = Date.now();
    const client = new QuietClient("tenets", "Tenets", command, this.options());
    this.client = client;
    client.onNotification("tenets/session.didChange", (batch: ChangeBatch) =>
      this.changed.fire(batch),
    );
    client.onDidChangeState(({ newState }) => {
      if (client !== this.client) return;
      if (newState === State.Stopped) this.lost();
    });
    try {
      await client.start();
    } catch (error) {
      this.log.error(`the server could not be started: ${messageOf(error)}`);
      if (client !== this.client) return;
      if (!this.timer) this.lost();
      return this.warn(
        vscode.l10n.t("The session server could not be started: {0}", command.command),
        vscode.l10n.t("Show Log"),
      );
    }
    if (client !== this.client) return;
    this.become("running");
    for (const warning of this.capability?.warnings ?? []) this.warn(warning);
  }

  async request<T>(verb: string, params: object = {}, signal?: AbortSignal): Promise<T> {
    const client = this.client;
    if (!client?.isRunning()) {
      throw new SessionError(
        "connectionLost",
        vscode.l10n.t("The session server is not running."),
        {},
      );
    }
    const source = new vscode.CancellationTokenSource();
    const abort = () => source.cancel();
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    try {
      return await client.sendRequest<T>(`tenets/session.${verb}`, params, source.token);
    } catch (error) {
      if (error instanceof ResponseError) {
        const data = (error.data ?? {}) as Record<string, unknown>;
        throw new SessionError(String(data.kind ?? ""), error.message, data);
      }
      throw new SessionError("connectionLost", messageOf(error), {});
    } finally {
      signal?.removeEventListener("abort", abort);
      source.dispose();
    }
  }

  async dispose(): Promise<void> {
    this.ended = true;
    clearTimeout(this.timer);
    await this.stopClient();
    this.changed.dispose();
    this.stateChanged.dispose();
  }

  private options(): LanguageClientOptions {
    const annotations = vscode.workspace.getConfiguration("tenets").get("annotations", "hint");
    return {
      documentSelector: SCHEMES.map((scheme) => ({ scheme })),
      outputChannel: this.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationOptions: {
        commands: false,
        // Notes are found by Ctrl+T, shown by hovers, and drawn at their lines. Its code actions
        // would be a second "Add selection".
        editorFeatures: { codeAction: false, annotations },
      },
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        // It is started again here, without end and without messages.
        closed: () => ({ action: CloseAction.DoNotRestart, handled: true }),
      },
    };
  }

  private lost(): void {
    if (this.ended || this.state === "missing") return;
    if (Date.now() - this.startedAt > STABLE) this.attempts = 0;
    const delay = DELAYS[Math.min(this.attempts++, DELAYS.length - 1)];
    this.become(this.attempts > 2 ? "stopped" : "starting");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.start();
    }, delay);
  }

  private async stopClient(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (!client) return;
    try {
      if (client.isRunning()) await client.stop();
      await client.dispose();
    } catch (error) {
      this.log.debug(`the server was stopped: ${messageOf(error)}`);
    }
  }

  private become(state: ServerState): void {
    this.state = state;
    void vscode.commands.executeCommand("setContext", "tenets.state", state);
    this.stateChanged.fire(state);
  }

  /** Each warning is shown once in a window; a button shows the log. */
  private warn(warning: string, ...buttons: string[]): void {
    if (this.told.has(warning)) return;
    this.told.add(warning);
    void vscode.window
      .showWarningMessage(warning, ...buttons)
      .then((pressed) => pressed && this.log.show());
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The command of the setting, else that on the PATH, else the module of the chosen interpreter. */
async function findCommand(
  log: vscode.LogOutputChannel,
  isLocal: boolean,
): Promise<Executable | undefined> {
  const [command, ...args] = givenCommand(isLocal);
  if (command) return { command, args };
  const found = await onPath(PROGRAM);
  if (found) return { command: found };
  const interpreter = isLocal ? await onPath(PYTHON) : await chosenInterpreter();
  if (interpreter && (await hasModule(interpreter))) {
    return { command: interpreter, args: ["-P", "-m", MODULE] };
  }
  log.info(`no ${PROGRAM} is on the PATH, and ${interpreter ?? "no interpreter"} has ${MODULE}`);
  return undefined;
}

/** The setting; `isLocal`: that of the folder does not count. */
function givenCommand(isLocal: boolean): string[] {
  const all = vscode.workspace.getConfiguration("tenets").inspect<string[]>("server.command");
  const ofFolder = isLocal ? undefined : (all?.workspaceFolderValue ?? all?.workspaceValue);
  return ofFolder ?? all?.globalValue ?? [];
}

async function onPath(program: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
    if (!path.isAbsolute(folder)) continue;
    const file = path.join(folder, program);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  return undefined;
}

/** The interpreter that the user has chosen; in a folder that is not trusted, that of the PATH. */
async function chosenInterpreter(): Promise<string | undefined> {
  if (!vscode.workspace.isTrusted) return onPath(PYTHON);
  const python = vscode.extensions.getExtension("ms-python.python");
  try {
    const api = python && (await python.activate());
    const chosen: string | undefined = api?.environments?.getActiveEnvironmentPath()?.path;
    if (chosen && path.isAbsolute(chosen)) return chosen;
  } catch {
    // It is another extension's error.
  }
  const setting = vscode.workspace.getConfiguration("python").get<string>("defaultInterpreterPath");
  return setting && path.isAbsolute(setting) ? setting : onPath(PYTHON);
}

async function hasModule(interpreter: string): Promise<boolean> {
  const program = `import importlib.util, sys; sys.exit(importlib.util.find_spec("${MODULE}") is None)`;
  try {
    await promisify(execFile)(interpreter, ["-P", "-c", program], { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}
