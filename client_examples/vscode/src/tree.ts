// The view: sessions with their notes, and the trash.

import * as vscode from "vscode";
import { attempt } from "./dialogs";
import type { ContextEntry, Session, TrashItem } from "./protocol";
import { messageOf } from "./server";
import { ago, iconOf, locationOf, titleOf } from "./text";
import type { Window } from "./window";

/** Sessions, and notes of one, that are shown before "Show more". */
const PAGE = 100;
/** Sessions that one request returns at most. */
const MOST = 1000;
const MIME = "application/vnd.code.tree.tenets.sessions";

export type Node =
  | { type: "session"; session: Session }
  | { type: "note"; entry: ContextEntry }
  | { type: "trash" }
  | { type: "trashItem"; item: TrashItem }
  | { type: "more"; of: Listed };

/** What is listed in pages: sessions, the trash, or the notes of the session with this id. */
export type Listed = "sessions" | "trash" | number;

export class Tree
  implements
    vscode.TreeDataProvider<Node>,
    vscode.TreeDragAndDropController<Node>,
    vscode.Disposable
{
  readonly dragMimeTypes = [MIME];
  readonly dropMimeTypes = [MIME];
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly subscriptions: vscode.Disposable[];
  private readonly shown = new Map<Listed, number>();
  readonly onDidChangeTreeData = this.changed.event;
  readonly view: vscode.TreeView<Node>;
  filter = "";

  constructor(
    private readonly window: Window,
    private readonly move: (entries: ContextEntry[], session: Session) => Promise<void>,
  ) {
    this.view = vscode.window.createTreeView("tenets.sessions", {
      treeDataProvider: this,
      dragAndDropController: this,
      canSelectMany: true,
      showCollapseAll: true,
    });
    this.subscriptions = [
      this.changed,
      this.view,
      window.onDidChange(() => this.refresh()),
      this.view.onDidChangeVisibility(({ visible }) => visible && this.changed.fire()),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("tenets.sessions.order")) this.refresh();
      }),
    ];
  }

  /** A view that nobody sees asks for nothing. */
  refresh(): void {
    if (this.view.visible) this.changed.fire();
  }

  setFilter(filter: string): void {
    this.filter = filter;
    void vscode.commands.executeCommand("setContext", "tenets.filter", filter !== "");
    this.view.message = filter
      ? vscode.l10n.t("Sessions with “{0}” in their names", filter)
      : undefined;
    this.changed.fire();
  }

  showMore(of: Listed): void {
    this.shown.set(of, this.limit(of) + PAGE);
    this.changed.fire();
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (this.window.server.state !== "running") return [];
    try {
      if (!node) return await this.roots();
      if (node.type === "session") return await this.notes(node.session);
      if (node.type === "trash") return await this.trash();
    } catch (error) {
      // VS Code would show it once for each row; the status bar tells what is wrong.
      this.window.server.log.warn(`the view cannot be filled: ${messageOf(error)}`);
    }
    return [];
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.type) {
      case "session":
        return this.sessionItem(node.session);
      case "note":
        return noteItem(node.entry);
      case "trashItem":
        return trashItem(node.item);
      case "trash": {
        const item = new vscode.TreeItem(
          vscode.l10n.t("Trash"),
          vscode.TreeItemCollapsibleState.Collapsed,
        );
        return Object.assign(item, {
          id: "trash",
          iconPath: new vscode.ThemeIcon("trash"),
          contextValue: "trash",
        });
      }
      case "more": {
        const item = new vscode.TreeItem(vscode.l10n.t("Show more …"));
        const command = { command: "tenets.showMore", title: "", arguments: [node.of] };
        return Object.assign(item, { id: `more/${node.of}`, command });
      }
    }
  }

  handleDrag(nodes: readonly Node[], data: vscode.DataTransfer): void {
    const entries = nodes.flatMap((node) => (node.type === "note" ? [node.entry] : []));
    if (entries.length > 0) data.set(MIME, new vscode.DataTransferItem(entries));
  }

  async handleDrop(target: Node | undefined, data: vscode.DataTransfer): Promise<void> {
    const entries: ContextEntry[] = data.get(MIME)?.value ?? [];
    if (target?.type !== "session") return;
    await attempt(this.window, () => this.move(entries, target.session));
  }

  dispose(): void {
    for (const one of this.subscriptions) one.dispose();
  }

  private limit(of: Listed): number {
    return this.shown.get(of) ?? PAGE;
  }

  private async roots(): Promise<Node[]> {
    const [sessions, { items }] = await Promise.all([
      this.sessions(),
      this.window.server.methods.listTrash({ limit: 1 }),
    ]);
    const listed = sessions.slice(0, this.limit("sessions"));
    const nodes: Node[] = this.current(listed).map((session) => ({ type: "session", session }));
    if (sessions.length > listed.length) nodes.push({ type: "more", of: "sessions" });
    void vscode.commands.executeCommand("setContext", "tenets.hasSessions", sessions.length > 0);
    if (items.length > 0 && !this.filter) nodes.push({ type: "trash" });
    return nodes;
  }

  /** The same sessions; first, if nothing is filtered, those that are current and active. */
  private current(listed: Session[]): Session[] {
    const { session, active } = this.window.shown;
    const first = new Map<number, Session>();
    for (const one of this.filter ? [] : [session, active]) {
      if (one) first.set(one.id, listed.find(({ id }) => id === one.id) ?? one);
    }
    return [...first.values(), ...listed.filter(({ id }) => !first.has(id))];
  }

  /** As many sessions as are shown, and one more if there is one. */
  private async sessions(): Promise<Session[]> {
    const { methods } = this.window.server;
    const order = vscode.workspace
      .getConfiguration("tenets")
      .get<"recent" | "newest">("sessions.order", "recent");
    const wanted = this.limit("sessions") + 1;
    const common = { order, includeContextCount: true, includeMetadata: false };
    if (this.filter) {
      const found = await methods.list({ ...common, order: "recent", limit: MOST });
      const words = this.filter.toLocaleLowerCase();
      const matching = found.sessions.filter(({ name }) =>
        name.toLocaleLowerCase().includes(words),
      );
      // Beyond the thousand most recent ones, by the beginning of the name.
      const named = await methods.list({ ...common, order: "newest", namePrefix: this.filter });
      const known = new Set(matching.map(({ id }) => id));
      return [...matching, ...named.sessions.filter(({ id }) => !known.has(id))];
    }
    if (order === "recent") {
      return (await methods.list({ ...common, limit: Math.min(wanted, MOST) })).sessions;
    }
    const sessions: Session[] = [];
    let cursor: string | null = null;
    do {
      const page = await methods.list({ ...common, limit: Math.min(wanted, MOST), cursor });
      sessions.push(...page.sessions);
      cursor = page.nextCursor;
    } while (cursor !== null && sessions.length < wanted);
    return sessions;
  }

  private async notes(session: Session): Promise<Node[]> {
    const nodes: Node[] = [];
    const wanted = this.limit(session.id);
    let cursor: string | null = null;
    do {
      const page = await this.window.server.methods.listContext({
        sessionId: session.id,
        order: "newest",
        includeContent: false,
        limit: Math.min(wanted, MOST),
        cursor,
      });
      nodes.push(...page.entries.map((entry): Node => ({ type: "note", entry })));
      cursor = page.nextCursor;
    } while (cursor !== null && nodes.length < wanted);
    if (cursor !== null) nodes.push({ type: "more", of: session.id });
    return nodes;
  }

  private async trash(): Promise<Node[]> {
    const limit = Math.min(this.limit("trash"), MOST);
    const { items, nextCursor } = await this.window.server.methods.listTrash({ limit });
    const nodes: Node[] = items.map((item) => ({ type: "trashItem", item }));
    if (nextCursor !== null && limit < MOST) nodes.push({ type: "more", of: "trash" });
    return nodes;
  }

  private sessionItem(session: Session): vscode.TreeItem {
    const { shown } = this.window;
    const isCurrent = session.id === shown.session?.id;
    const isActive = session.id === shown.active?.id;
    const facts = [
      ...(isActive ? [vscode.l10n.t("active")] : []),
      ...(isCurrent && shown.binding ? [vscode.l10n.t("this folder")] : []),
      ...(session.contextCount ? [String(session.contextCount)] : []),
    ];
    const icon =
      isCurrent && shown.binding ? "folder" : isCurrent || isActive ? "bookmark" : "circle-outline";
    const color = isCurrent ? new vscode.ThemeColor("charts.blue") : undefined;
    const item = new vscode.TreeItem(session.name, vscode.TreeItemCollapsibleState.Collapsed);
    return Object.assign(item, {
      id: `session/${session.id}`,
      description: facts.join(" · "),
      iconPath: new vscode.ThemeIcon(icon, color),
      contextValue: isActive ? "session-active" : "session",
      tooltip: `${session.name}\n${vscode.l10n.t("created {0}", ago(session.createdAt))}`,
      accessibilityInformation: { label: [session.name, ...facts].join(", ") },
    });
  }
}

function noteItem(entry: ContextEntry): vscode.TreeItem {
  const title = titleOf(entry);
  const author = entry.importedAuthor ?? entry.author;
  const facts = [author, ago(entry.updatedAt ?? entry.createdAt)].filter(Boolean).join(" · ");
  const item = new vscode.TreeItem(title, vscode.TreeItemCollapsibleState.None);
  return Object.assign(item, {
    id: `note/${entry.id}`,
    description: facts,
    iconPath: iconOf(entry),
    contextValue: `note${entry.kind === "note" ? "-markdown" : ""}${locationOf(entry) ? "-placed" : ""}`,
    command: { command: "tenets.openNote", title: "", arguments: [entry] },
    tooltip: `${title}\n${entry.kind} · ${facts}`,
    accessibilityInformation: { label: `${entry.kind}: ${title}, ${facts}` },
  });
}

function trashItem(item: TrashItem): vscode.TreeItem {
  const names = item.names.join(", ");
  const label = item.type === "sessions" ? names : vscode.l10n.t("Notes of {0}", names);
  const found = new vscode.TreeItem(label || item.type, vscode.TreeItemCollapsibleState.None);
  const facts = [
    vscode.l10n.t("{0} notes", item.entries),
    vscode.l10n.t("deleted {0}", ago(item.deletedAt)),
  ];
  return Object.assign(found, {
    id: `trash/${item.id}`,
    description: facts.join(" · "),
    iconPath: new vscode.ThemeIcon("discard"),
    contextValue: "trash-item",
    accessibilityInformation: { label: `${label}, ${facts.join(", ")}` },
  });
}
