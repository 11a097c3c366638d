// What this window shows: its current session, kept up to date.

import * as vscode from "vscode";
import type { ChangeBatch, Current, Session } from "./protocol";
import { messageOf, type Server } from "./server";

/** Milliseconds between two drawings, at least: the changes of a burst are collected. */
const BURST = 40;

export interface Shown {
  /** The session of the folder that the user works in. */
  session: Session | null;
  /** The folder that decides it; null: it is the active session. */
  binding: string | null;
  /** The session that is active for everybody. */
  active: Session | null;
}

export class Window implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<ChangeBatch | undefined>();
  private readonly subscriptions: vscode.Disposable[] = [this.changed];
  private timer: NodeJS.Timeout | undefined;
  private pending: ChangeBatch | undefined;
  private fired = 0;
  private active: Session | null = null;
  /** One for each folder; none: no folder is bound to a session. */
  private currents: Current[] = [];
  private lastFolder: vscode.WorkspaceFolder | undefined;
  /** What is shown may be another one. The changes since the last event; undefined: look anew. */
  readonly onDidChange = this.changed.event;

  constructor(
    readonly server: Server,
    private readonly memory: vscode.Memento,
  ) {
    this.subscriptions.push(
      server.onDidChangeState((state) => (state === "running" ? void this.refresh() : this.fire())),
      server.onDidChange((batch) => this.take(batch)),
      vscode.workspace.onDidChangeWorkspaceFolders(() => void this.refresh()),
      vscode.window.onDidChangeActiveTextEditor((editor) => this.visit(editor)),
    );
    this.lastFolder = folderOf(vscode.window.activeTextEditor);
  }

  /** The folder that the user works in: that of the editor with the focus last, else the first. */
  get folder(): vscode.WorkspaceFolder | undefined {
    const folders = vscode.workspace.workspaceFolders;
    return folders?.find(({ uri }) => isSame(uri, this.lastFolder?.uri)) ?? folders?.[0];
  }

  get shown(): Shown {
    const folder = this.folder?.uri.toString();
    const current = this.currents.find((one) => one.folder === folder);
    return {
      session: current ? current.session : this.active,
      binding: current?.binding ?? null,
      active: this.active,
    };
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
    const { methods } = this.server;
    try {
      const folders = vscode.workspace.workspaceFolders?.map(({ uri }) => uri.toString());
      const [active, current, ...others] = await Promise.all([
        methods.getActive(),
        ...(folders ?? [undefined]).map((folder) => methods.getCurrent({ folder })),
      ]);
      this.active = active;
      this.currents = current ? [current, ...others] : [];
      if (current && this.seen === undefined) await this.see(current.state);
    } catch (error) {
      this.server.log.warn(`the current session is not known: ${messageOf(error)}`);
      [this.active, this.currents] = [null, []];
    }
    this.fire();
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const one of this.subscriptions) one.dispose();
  }

  private visit(editor: vscode.TextEditor | undefined): void {
    const folder = folderOf(editor);
    if (!folder || isSame(folder.uri, this.lastFolder?.uri)) return;
    const before = this.shown;
    this.lastFolder = folder;
    const { session, binding } = this.shown;
    if (session?.id !== before.session?.id || binding !== before.binding) this.fire();
  }

  private take(batch: ChangeBatch): void {
    this.active = batch.active;
    this.currents = batch.currents ?? [];
    const { pending } = this;
    const incomplete = pending?.incomplete || batch.incomplete;
    this.pending = {
      ...batch,
      incomplete,
      changes: [...(pending?.changes ?? []), ...batch.changes],
    };
    const pause = Math.max(0, this.fired + BURST - Date.now());
    this.timer ??= setTimeout(() => this.fire(this.pending), pause);
  }

  private fire(batch?: ChangeBatch): void {
    clearTimeout(this.timer);
    this.timer = this.pending = undefined;
    this.fired = Date.now();
    const isBound = this.shown.binding !== null;
    void vscode.commands.executeCommand("setContext", "tenets.isBound", isBound);
    this.changed.fire(batch?.incomplete ? undefined : batch);
  }
}

function folderOf(editor: vscode.TextEditor | undefined): vscode.WorkspaceFolder | undefined {
  return editor && vscode.workspace.getWorkspaceFolder(editor.document.uri);
}

function isSame(one: vscode.Uri, other: vscode.Uri | undefined): boolean {
  return one.toString() === other?.toString();
}
