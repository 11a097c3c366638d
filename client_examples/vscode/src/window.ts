// What this window shows: its current session, kept up to date.

import * as vscode from "vscode";
import type { ChangeBatch, Current, Session } from "./protocol";
import { messageOf, type Server, type ServerState } from "./server";

/** Milliseconds between two drawings, at least: the changes of a burst are collected. */
const BURST = 40;
/** Milliseconds until the database is looked at again, if it could not be read. */
const RETRY = 2000;

export interface Shown {
  /** The session of the folder that the user works in. */
  session: Session | null;
  /** The folder that decides it; null: it is the active session. */
  binding: string | null;
  /** The session that is active for everybody. */
  active: Session | null;
  /** Why none of this is known; undefined: it is. */
  trouble: string | undefined;
}

export class Window implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<ChangeBatch | undefined>();
  private readonly subscriptions: vscode.Disposable[] = [this.changed];
  private timer: NodeJS.Timeout | undefined;
  private pending: ChangeBatch | undefined;
  private fired = 0;
  private active: Session | null = null;
  private trouble: string | undefined;
  private retry: NodeJS.Timeout | undefined;
  private revision = 0;
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
      server.onDidChangeState((state) => this.follow(state)),
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
    return this.shownIn(this.folder);
  }

  /** What is shown for a file: the session that its folder is bound to, else the active one. */
  shownFor(uri: vscode.Uri): Shown {
    return this.shownIn(vscode.workspace.getWorkspaceFolder(uri) ?? this.folder);
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
    clearTimeout(this.retry);
    const { methods } = this.server;
    try {
      const folders = vscode.workspace.workspaceFolders?.map(({ uri }) => uri.toString());
      const [active, current, ...others] = await Promise.all([
        methods.getActive(),
        ...(folders ?? [undefined]).map((folder) => methods.getCurrent({ folder })),
      ]);
      const currents = current ? [current, ...others] : [];
      const revisions = [...currents, ...(active ? [active] : [])].map((one) => one.revision);
      // What was told meanwhile is newer than some of the replies.
      if (Math.min(...revisions) < this.revision) return this.refresh();
      this.active = active;
      this.currents = currents;
      this.trouble = undefined;
      if (current && this.seen === undefined) await this.see(current.state);
    } catch (error) {
      if (this.trouble !== messageOf(error)) {
        this.server.log.warn(`the current session is not known: ${messageOf(error)}`);
      }
      [this.active, this.currents, this.trouble] = [null, [], messageOf(error)];
      this.retry = setTimeout(() => void this.refresh(), RETRY);
    }
    this.fire();
  }

  dispose(): void {
    clearTimeout(this.timer);
    clearTimeout(this.retry);
    for (const one of this.subscriptions) one.dispose();
  }

  private follow(state: ServerState): void {
    clearTimeout(this.retry);
    this.revision = 0; // of the connection before
    if (state === "running") void this.refresh();
    else this.fire();
  }

  private shownIn(folder: vscode.WorkspaceFolder | undefined): Shown {
    const uri = folder?.uri.toString();
    const current = this.currents.find((one) => one.folder === uri);
    const session = current ? current.session : this.active;
    // Of a session that several folders show, the server sends the metadata once.
    const all = [session, this.active, ...this.currents.map((one) => one.session)];
    const whole = all.find((one) => one && one.id === session?.id && one.metadata);
    return {
      session: whole ?? session,
      binding: current?.binding ?? null,
      active: this.active,
      trouble: this.trouble,
    };
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
    this.revision = batch.revision;
    if (this.trouble !== undefined) void this.refresh();
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
