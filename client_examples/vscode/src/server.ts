// Keeps the server running, and sends it requests.

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
import { CommandFinder } from "./commandFinder";
import type { Capability, ChangeBatch, SessionMethods } from "./protocol";

/** `missing`: there is none to start. `stopped`: it does not come up, and is tried again and again. */
export type ServerState = "starting" | "running" | "missing" | "stopped";

export const INSTALL = "pipx install tenets-session-server";
/** Milliseconds until a server that has ended is started again; the last one again and again. */
const DELAYS = [100, 500, 2000, 10_000, 30_000];
/** Milliseconds after which a server is taken to be in order. */
const STABLE = 60_000;
/** Attempts after which the server is said to be stopped. */
const PATIENCE = 2;
/** Milliseconds for which a request waits for a server that starts. */
const START_TIME = 15_000;

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
  private starting: Promise<void> = Promise.resolve();
  private turn = 0;
  private ended = false;
  private attempts = 0;
  private startedAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly told = new Set<string>();
  private readonly changed = new vscode.EventEmitter<ChangeBatch>();
  private readonly stateChanged = new vscode.EventEmitter<ServerState>();
  private readonly finder: CommandFinder;
  readonly onDidChange = this.changed.event;
  readonly onDidChangeState = this.stateChanged.event;
  /** Every method of the protocol. Rejected with a {@link SessionError}. */
  readonly methods: SessionMethods;
  state: ServerState = "starting";

  /** `isLocal`: it runs on this machine, the window's folders are on another one. */
  constructor(
    readonly log: vscode.LogOutputChannel,
    isLocal: boolean,
  ) {
    this.finder = new CommandFinder(log, isLocal, () => this.interpreterChanged());
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
    this.attempts = 0;
    await this.begin();
  }

  /** Another interpreter was chosen: start the server if it is of one, or if there is none. */
  interpreterChanged(): void {
    if (this.finder.isOfInterpreter || this.state === "missing") void this.start();
  }

  async request<T>(verb: string, params: object = {}, signal?: AbortSignal): Promise<T> {
    if (this.state === "starting") await this.untilStarted();
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
    await this.retire();
    this.changed.dispose();
    this.stateChanged.dispose();
  }

  /** Whoever begins last wins: what an earlier beginning has started is stopped again. */
  private async begin(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const turn = ++this.turn;
    void this.retire();
    // A server that has not come up several times is not said to start again and again.
    if (this.attempts <= PATIENCE) this.become("starting");
    try {
      const command = await this.finder.find();
      if (turn !== this.turn || this.ended) return;
      if (!command) return this.become("missing");
      await this.run(command);
    } catch (error) {
      this.log.error(`the server could not be started: ${messageOf(error)}`);
      if (turn === this.turn) this.lost();
    }
  }

  private async run(command: Executable): Promise<void> {
    this.log.info(`starting ${[command.command, ...(command.args ?? [])].join(" ")}`);
    this.startedAt = Date.now();
    const client = new QuietClient("tenets", "Tenets", command, this.options());
    this.client = client;
    client.onNotification("tenets/session.didChange", (batch: ChangeBatch) => {
      if (client === this.client) this.changed.fire(batch);
    });
    client.onDidChangeState(({ newState }) => {
      if (client === this.client && newState === State.Stopped) this.lost();
    });
    const starting = client.start();
    this.starting = starting.catch(() => {});
    try {
      await starting;
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
    this.become(this.attempts > PATIENCE ? "stopped" : "starting");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.begin(), delay);
  }

  /** Stop the client, once it has started: the library cannot stop it before. */
  private async retire(): Promise<void> {
    const { client, starting } = this;
    this.client = undefined;
    if (!client) return;
    try {
      await starting;
      if (client.isRunning()) await client.stop();
      await client.dispose();
    } catch (error) {
      this.log.debug(`the server was stopped: ${messageOf(error)}`);
    }
  }

  /** Wait while the server starts: what a user does then is done a moment later. */
  private async untilStarted(): Promise<void> {
    await new Promise<void>((done) => {
      const end = () => {
        clearTimeout(timer);
        listener.dispose();
        done();
      };
      const timer = setTimeout(end, START_TIME);
      const listener = this.onDidChangeState((state) => state !== "starting" && end());
    });
  }

  private become(state: ServerState): void {
    if (state === this.state && state !== "running") return;
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
