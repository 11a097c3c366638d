// What this window shows: its current session, kept up to date.

import * as vscode from "vscode";
import type { ChangeBatch, Session } from "./protocol";
import { messageOf, type Server } from "./server";

/** Milliseconds for which changes are collected, so that a burst is drawn once. */
const BURST = 40;

export interface Shown {
  /** The session of this window. */
  session: Session | null;
  /** The folder that decides it; null: it is the active session. */
  binding: string | null;
  /** The session that is active for everybody. */
  active: Session | null;
}

const NOTHING: Shown = { session: null, binding: null, active: null };

export class Window implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<ChangeBatch | undefined>();
  private readonly subscriptions: vscode.Disposable[] = [this.changed];
  private timer: NodeJS.Timeout | undefined;
  private pending: ChangeBatch | undefined;
  /** What is shown may be another one. The changes since the last event; undefined: look anew. */
  readonly onDidChange = this.changed.event;
  shown: Shown = NOTHING;

  constructor(
    readonly server: Server,
    private readonly memory: vscode.Memento,
  ) {
    this.subscriptions.push(
      server.onDidChangeState((state) => (state === "running" ? void this.refresh() : this.fire())),
      server.onDidChange((batch) => this.take(batch)),
      vscode.workspace.onDidChangeWorkspaceFolders(() => void this.refresh()),
    );
  }

  /** The folder that commands are about: that of the editor with the focus, else the first one. */
  get folder(): vscode.WorkspaceFolder | undefined {
    const uri = vscode.window.activeTextEditor?.document.uri;
    return (
      (uri && vscode.workspace.getWorkspaceFolder(uri)) ?? vscode.workspace.workspaceFolders?.[0]
    );
  }

  /** The state of the database that this window has seen when its user was last there. */
  get seen(): string | undefined {
    return this.memory.get<string>("seen");
  }

  async see(state: string): Promise<void> {
    await this.memory.update("seen", state);
  }

  /** Look at everything anew. */
  async refresh(): Promise<void> {
    try {
      const folder = vscode.workspace.workspaceFolders?.[0]?.uri.toString(true);
      const [current, active] = await Promise.all([
        this.server.methods.getCurrent({ folder }),
        this.server.methods.getActive({ includeMetadata: false }),
      ]);
      this.shown = { session: current.session, binding: current.binding, active };
      if (this.seen === undefined) await this.see(current.state);
    } catch (error) {
      this.server.log.warn(`the current session is not known: ${messageOf(error)}`);
      this.shown = NOTHING;
    }
    this.fire();
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const one of this.subscriptions) one.dispose();
  }

  private take(batch: ChangeBatch): void {
    const [current] = batch.currents ?? [];
    this.shown = {
      active: batch.active,
      session: current ? current.session : batch.active,
      binding: current?.binding ?? null,
    };
    const { pending } = this;
    const incomplete = pending?.incomplete || batch.incomplete;
    this.pending = {
      ...batch,
      incomplete,
      changes: [...(pending?.changes ?? []), ...batch.changes],
    };
    this.timer ??= setTimeout(() => this.fire(this.pending), BURST);
  }

  private fire(batch?: ChangeBatch): void {
    clearTimeout(this.timer);
    this.timer = this.pending = undefined;
    void vscode.commands.executeCommand(
      "setContext",
      "tenets.isBound",
      this.shown.binding !== null,
    );
    this.changed.fire(batch?.incomplete ? undefined : batch);
  }
}
