// The commands. Each works from the palette, and on what is selected in the view.

import * as vscode from "vscode";
import { l10n } from "vscode";
import { noteUri } from "./noteDocuments";
import type { ContextEntry, Session } from "./protocol";
import { search } from "./search";
import { INSTALL, messageOf, SessionError } from "./server";
import { ago, iconOf, locationOf, titleOf, uriOf } from "./text";
import type { Node, Tree } from "./tree";
import type { Window } from "./window";

/** Sessions in the quick pick. */
const MOST = 1000;
/** Changes that are listed. */
const MOST_CHANGES = 500;

export class Commands {
  tree: Tree | undefined;

  constructor(private readonly window: Window) {}

  register(): vscode.Disposable[] {
    const all: Record<string, (...given: never[]) => unknown> = {
      switch: () => this.switch(),
      create: () => this.create(),
      exit: () => this.exit(),
      bind: (node?: Node) => this.bind(node),
      unbind: () => this.unbind(),
      search: () => search(this.window, (name) => this.activate(name)),
      addNote: (node?: Node) => this.addNote(node),
      addSelection: () => this.addSelection(),
      fileNotes: () => this.fileNotes(),
      pin: (uri?: vscode.Uri) => this.pin(uri, true),
      unpin: (uri?: vscode.Uri) => this.pin(uri, false),
      rename: (node?: Node) => this.rename(node),
      copy: (node?: Node) => this.copy(node),
      reset: (node?: Node) => this.reset(node),
      delete: (node?: Node, nodes?: Node[]) => this.delete(node, nodes),
      export: (node?: Node) => this.export(node),
      import: () => this.import(),
      changes: () => this.changes(),
      restore: (node?: Node) => this.restore(node),
      filter: () => this.filter(),
      clearFilter: () => this.tree?.setFilter(""),
      activate: (node?: Node) => node?.type === "session" && this.activate(node.session.name),
      openNote: (entry: ContextEntry) =>
        vscode.commands.executeCommand("vscode.open", noteUri(entry)),
      revealPlace: (node?: Node) => node?.type === "note" && this.revealPlace(node.entry),
      showMore: (of: number | "sessions") => this.tree?.showMore(of),
      restart: () => this.window.server.start(),
      showLog: () => this.window.server.log.show(),
    };
    return Object.entries(all).map(([name, run]) =>
      vscode.commands.registerCommand(`tenets.${name}`, async (...given: never[]) => {
        try {
          await run(...given);
        } catch (error) {
          await this.show(error);
        }
      }),
    );
  }

  /** Add a copy of a note to another session, and remove it from its own. */
  async move(entry: ContextEntry, to: Session): Promise<void> {
    const { methods } = this.window.server;
    const found = await methods.getContext({ id: entry.id });
    if (!found || found.nextOffset !== null) {
      throw new Error(l10n.t("The note is gone, or too large to be moved."));
    }
    const added = await methods.addContext({
      sessionId: to.id,
      kind: found.kind,
      content: found.content ?? "",
      location: found.location as never,
    });
    const { trashId } = await methods.removeContext({ id: entry.id, ifState: found.state });
    void this.offerUndo(l10n.t("Moved the note to {0}.", to.name), async () => {
      if (trashId != null) await methods.restore({ id: trashId });
      await methods.removeContext({ id: added.id });
    });
  }

  private get methods() {
    return this.window.server.methods;
  }

  private async switch(): Promise<void> {
    if (this.window.server.state === "missing") return offerInstall();
    const { shown } = this.window;
    const pick = vscode.window.createQuickPick<vscode.QuickPickItem & { run?: () => unknown }>();
    pick.title = l10n.t("Switch session");
    pick.placeholder = l10n.t("Name of a session");
    pick.busy = true;
    pick.matchOnDescription = true;
    pick.buttons = [{ iconPath: new vscode.ThemeIcon("add"), tooltip: l10n.t("Create a session") }];
    const others: (typeof pick.items)[number][] = [
      { label: "", kind: vscode.QuickPickItemKind.Separator },
      { label: `$(add) ${l10n.t("Create a session …")}`, run: () => this.create(pick.value) },
    ];
    if (vscode.workspace.workspaceFolders && shown.session && !shown.binding) {
      const label = `$(folder) ${l10n.t("Bind this folder to {0}", shown.session.name)}`;
      others.push({ label, run: () => this.bindTo(shown.session!.name) });
    }
    if (shown.binding) {
      others.push({ label: `$(close) ${l10n.t("Unbind this folder")}`, run: () => this.unbind() });
    }
    if (shown.active) {
      const label = `$(debug-pause) ${l10n.t("Leave {0}: no session is active", shown.active.name)}`;
      others.push({ label, run: () => this.exit() });
    }
    pick.onDidTriggerButton(() => {
      pick.hide();
      void vscode.commands.executeCommand("tenets.create");
    });
    pick.onDidHide(() => pick.dispose());
    pick.onDidAccept(async () => {
      const [item] = pick.selectedItems;
      pick.hide();
      try {
        await item?.run?.();
      } catch (error) {
        await this.show(error);
      }
    });
    pick.show();
    const found = await this.methods.list({ order: "recent", limit: MOST, includeMetadata: false });
    const sessions = found.sessions.map((session) => {
      const facts = [
        ...(session.id === shown.active?.id ? [l10n.t("active")] : []),
        ...(session.id === shown.session?.id && shown.binding ? [l10n.t("this folder")] : []),
      ];
      const icon = session.id === shown.session?.id ? "$(bookmark) " : "$(blank) ";
      const run = () => this.activate(session.name);
      return { label: icon + session.name, description: facts.join(" · "), run };
    });
    pick.items = [...sessions, ...others];
    pick.busy = false;
  }

  private async activate(name: string): Promise<void> {
    await this.methods.setActive({ name });
    const { shown } = this.window;
    if (shown.binding && shown.session && shown.session.name !== name) {
      const keep = l10n.t(
        "{0} is active now. This folder stays bound to {1}.",
        name,
        shown.session.name,
      );
      const unbind = l10n.t("Unbind this folder");
      if ((await vscode.window.showInformationMessage(keep, unbind)) === unbind)
        await this.unbind();
    }
  }

  private async create(value = ""): Promise<void> {
    const name = await vscode.window.showInputBox({
      title: l10n.t("Create a session"),
      prompt: l10n.t("It becomes the active session of all editors."),
      value,
      validateInput: (given) =>
        given.trim() ? undefined : l10n.t("A name has at least one character."),
    });
    if (name === undefined) return;
    try {
      await this.methods.create({ name, active: true });
    } catch (error) {
      if (!(error instanceof SessionError) || error.kind !== "sessionExists") throw error;
      const yes = l10n.t("Switch to it");
      const there = l10n.t("There is a session named {0}.", name);
      if ((await vscode.window.showInformationMessage(there, yes)) === yes)
        await this.activate(name);
    }
  }

  private async exit(): Promise<void> {
    const left = await this.methods.exit({});
    this.say(l10n.t("Left {0}. No session is active.", left.name));
  }

  private async bind(node?: Node): Promise<void> {
    const session = await this.sessionOf(node, l10n.t("Bind this folder"));
    if (session) await this.bindTo(session.name);
  }

  private async bindTo(name: string): Promise<void> {
    const folder = this.window.folder;
    if (!folder) throw new Error(l10n.t("Open a folder first: a session is bound to a folder."));
    await this.methods.bind({ name, folder: folder.uri.toString(true) });
    await this.window.refresh();
    this.say(l10n.t("{0} shows {1} from now on, whatever is active.", folder.name, name));
  }

  private async unbind(): Promise<void> {
    const { binding } = this.window.shown;
    if (!binding) return;
    await this.methods.bind({ name: null, folder: binding });
    await this.window.refresh();
  }

  private async addNote(node?: Node): Promise<void> {
    const session = node?.type === "session" ? node.session : await this.current();
    if (!session) return;
    const content = await vscode.window.showInputBox({
      title: l10n.t("Add a note to {0}", session.name),
      prompt: l10n.t("Markdown. The note can be edited later as a document."),
    });
    if (!content?.trim()) return;
    await this.methods.addContext({ sessionId: session.id, kind: "note", content });
    this.say(l10n.t("Added the note to {0}.", session.name));
  }

  /** Add the lines that are selected; with a comment, the note is that, at these lines. */
  private async addSelection(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (!editor) throw new Error(l10n.t("Open a file and select the lines first."));
    const session = await this.current();
    if (!session) return;
    const { document, selection } = editor;
    const first = selection.start.line;
    const isAtStart = selection.end.character === 0 && selection.end.line > first;
    const last = isAtStart ? selection.end.line - 1 : selection.end.line;
    const range = document.validateRange(new vscode.Range(first, 0, last + 1, 0));
    const text = document.getText(range);
    if (!text.trim()) throw new Error(l10n.t("The lines are blank."));
    const comment = await vscode.window.showInputBox({
      title:
        first === last
          ? l10n.t("Add line {0} to {1}", first + 1, session.name)
          : l10n.t("Add lines {0}-{1} to {2}", first + 1, last + 1, session.name),
      prompt: l10n.t("Comment (optional): press Enter for the lines alone."),
    });
    if (comment === undefined) return;
    const isNote = comment.trim() !== "";
    const { start, end } = range;
    await this.methods.addContext({
      sessionId: session.id,
      kind: isNote ? "note" : "code",
      content: isNote ? comment : text,
      location: {
        uri: document.uri.toString(),
        range: {
          start: { line: start.line, character: start.character },
          end: { line: end.line, character: end.character },
        },
      },
    });
    this.say(l10n.t("Added to {0}.", session.name));
  }

  private async rename(node?: Node): Promise<void> {
    const session = await this.sessionOf(node, l10n.t("Rename"));
    if (!session) return;
    const value = session.name;
    const newName = await vscode.window.showInputBox({ title: l10n.t("Rename {0}", value), value });
    if (newName === undefined || newName === value) return;
    await this.methods.rename({ name: session.name, newName });
  }

  private async copy(node?: Node): Promise<void> {
    const session = await this.sessionOf(node, l10n.t("Copy"));
    if (!session) return;
    const title = l10n.t("Copy {0}", session.name);
    const value = l10n.t("{0} (copy)", session.name);
    const newName = await vscode.window.showInputBox({ title, value });
    if (newName !== undefined) await this.methods.copy({ name: session.name, newName });
  }

  private async reset(node?: Node): Promise<void> {
    const session = await this.sessionOf(node, l10n.t("Reset"));
    if (!session) return;
    const { trashId } = await this.methods.reset({ name: session.name });
    await this.offerUndo(
      l10n.t("{0} has no notes any more, and is active.", session.name),
      async () => {
        if (trashId != null) await this.methods.restore({ id: trashId });
      },
    );
  }

  private async delete(node?: Node, nodes?: Node[]): Promise<void> {
    const session = node ? undefined : await this.pickSession(l10n.t("Delete"));
    const chosen: Node[] = session
      ? [{ type: "session", session }]
      : (nodes ?? (node ? [node] : []));
    const trashed: number[] = [];
    const names: string[] = [];
    for (const one of chosen) {
      if (one.type === "session") {
        const { deleted, trashId } = await this.methods.delete({ name: one.session.name });
        if (deleted) names.push(one.session.name);
        if (trashId != null) trashed.push(trashId);
      } else if (one.type === "note") {
        const { removed, trashId } = await this.methods.removeContext({ id: one.entry.id });
        if (removed) names.push(titleOf(one.entry));
        if (trashId != null) trashed.push(trashId);
      }
    }
    if (names.length === 0) return;
    const what = names.length === 1 ? names[0]! : l10n.t("{0} items", names.length);
    await this.offerUndo(l10n.t("Deleted {0}.", what), async () => {
      // The newest first: a note goes back into a session that is there again.
      for (const id of trashed.reverse()) await this.methods.restore({ id });
    });
  }

  private async restore(node?: Node): Promise<void> {
    if (node?.type !== "trashItem") return;
    const { sessions, entries } = await this.methods.restore({ id: node.item.id });
    const names = sessions.map(({ name }) => name).join(", ");
    this.say(names ? l10n.t("Restored {0}.", names) : l10n.t("Restored {0} notes.", entries));
  }

  private async export(node?: Node): Promise<void> {
    const session = await this.sessionOf(node, l10n.t("Export"));
    if (!session) return;
    const { content } = await this.methods.export({ names: [session.name], format: "markdown" });
    const document = await vscode.workspace.openTextDocument({ language: "markdown", content });
    await vscode.window.showTextDocument(document);
  }

  private async import(): Promise<void> {
    const [file] = (await vscode.window.showOpenDialog({ filters: { JSON: ["json"] } })) ?? [];
    if (!file) return;
    const bytes = await vscode.workspace.fs.readFile(file);
    const content = new TextDecoder().decode(bytes);
    const done = await this.methods.import({ content, onConflict: "rename" });
    this.say(l10n.t("Imported {0} sessions.", String(done.imported)));
  }

  /** What was committed since this window was looked at last. */
  private async changes(): Promise<void> {
    const sinceState = this.window.seen;
    let found;
    try {
      found = await this.methods.changes({ sinceState, limit: MOST_CHANGES });
    } catch (error) {
      if (!(error instanceof SessionError) || error.kind !== "revisionExpired") throw error;
      await this.window.see(String(error.data.state));
      return this.say(l10n.t("So much has changed that single changes are not known any more."));
    }
    await this.window.see(found.state);
    if (found.changes.length === 0) return this.say(l10n.t("Nothing has changed."));
    const items = found.changes.reverse().map((change) => ({
      label: change.sessionName ?? change.folder ?? "",
      description: [change.type, change.author].filter(Boolean).join(" · "),
      change,
    }));
    const title = l10n.t("What has changed since you last asked");
    const picked = await vscode.window.showQuickPick(items, { title, matchOnDescription: true });
    const { contextId } = picked?.change ?? {};
    if (!contextId) return;
    const { entries } = await this.methods.listContext({ ids: [contextId], includeContent: false });
    if (entries[0]) await vscode.commands.executeCommand("vscode.open", noteUri(entries[0]));
  }

  private async filter(): Promise<void> {
    const input = vscode.window.createInputBox();
    input.title = l10n.t("Filter sessions by name");
    input.onDidChangeValue((value) => this.tree?.setFilter(value));
    input.onDidAccept(() => input.hide());
    input.onDidHide(() => input.dispose());
    input.show();
  }

  private async revealPlace(entry: ContextEntry): Promise<void> {
    const location = locationOf(entry);
    if (!location) return;
    const uri = uriOf(location);
    const document = await vscode.workspace.openTextDocument(uri);
    const { placed } = await this.methods.locate({ uri: location.uri, text: document.getText() });
    const range = placed.find(({ id }) => id === entry.id)?.range;
    const selection = range && new vscode.Range(range.start.line, 0, range.start.line, 0);
    await vscode.window.showTextDocument(document, { selection });
    if (!range && location.range) {
      this.say(
        l10n.t("The line is not there any more; it was line {0}.", location.range.start.line + 1),
      );
    }
  }

  /** The notes of the file in the editor, by their lines; those that have lost them come last. */
  private async fileNotes(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    if (!document) throw new Error(l10n.t("Open a file first."));
    const uri = document.uri.toString();
    const [{ entries }, { placed }] = await Promise.all([
      this.methods.listContext({ uri, includeContent: false, limit: MOST }),
      this.methods.locate({ uri, text: document.getText() }),
    ]);
    const lines = new Map(placed.map(({ id, range }) => [id, range.start.line]));
    const itemOf = (entry: ContextEntry) => {
      const line = lines.get(entry.id);
      const before = locationOf(entry)?.range?.start.line;
      const where =
        line !== undefined
          ? l10n.t("line {0}", line + 1)
          : before !== undefined
            ? l10n.t("was line {0}", before + 1)
            : l10n.t("the whole file");
      const description = [where, entry.sessionName].filter(Boolean).join(" · ");
      return { label: titleOf(entry), description, iconPath: iconOf(entry), entry, line };
    };
    const items = entries.map(itemOf).sort((one, other) => (one.line ?? 1e9) - (other.line ?? 1e9));
    const lost = items.findIndex(({ line }) => line === undefined);
    const separator = { label: l10n.t("without a line"), kind: vscode.QuickPickItemKind.Separator };
    const all: (vscode.QuickPickItem & { entry?: ContextEntry; line?: number })[] = [...items];
    if (lost >= 0) all.splice(lost, 0, separator);
    const title = l10n.t("Notes of this file");
    const placeHolder = items.length ? undefined : l10n.t("There are none.");
    const picked = await vscode.window.showQuickPick(all, {
      title,
      placeHolder,
      matchOnDescription: true,
    });
    if (!picked?.entry) return;
    if (picked.line === undefined) {
      await vscode.commands.executeCommand("vscode.open", noteUri(picked.entry));
    } else {
      const start = new vscode.Position(picked.line, 0);
      await vscode.window.showTextDocument(document, { selection: new vscode.Range(start, start) });
    }
  }

  private async pin(given: vscode.Uri | undefined, isPinned: boolean): Promise<void> {
    const uri = given ?? vscode.window.activeTextEditor?.document.uri;
    if (uri?.scheme !== "file") throw new Error(l10n.t("Open a file of this machine first."));
    const session = await this.current();
    if (!session) return;
    const params = { sessionId: session.id, uri: uri.toString() };
    await (isPinned ? this.methods.pin(params) : this.methods.unpin(params));
  }

  /** The session of this window; if there is none, the user is asked for one. */
  private async current(): Promise<Session | undefined> {
    return this.window.shown.session ?? (await this.pickSession(l10n.t("Add to which session?")));
  }

  /** The session that is selected in the view, else one that the user picks. */
  private async sessionOf(node: Node | undefined, title: string): Promise<Session | undefined> {
    return node?.type === "session" ? node.session : this.pickSession(title);
  }

  private async pickSession(title: string): Promise<Session | undefined> {
    const listed = this.methods.list({ order: "recent", limit: MOST, includeMetadata: false });
    const items = listed.then(({ sessions }) =>
      sessions.map((session) => ({
        label: session.name,
        description: session.active ? l10n.t("active") : ago(session.createdAt),
        session,
      })),
    );
    return (await vscode.window.showQuickPick(items, { title }))?.session;
  }

  private say(sentence: string): void {
    vscode.window.setStatusBarMessage(`$(check) ${sentence}`, 5000);
  }

  private async offerUndo(sentence: string, undo: () => Promise<void>): Promise<void> {
    const label = l10n.t("Undo");
    if ((await vscode.window.showInformationMessage(sentence, label)) === label) await undo();
  }

  private async show(error: unknown): Promise<void> {
    if (this.window.server.state === "missing") return offerInstall();
    this.window.server.log.warn(messageOf(error));
    await vscode.window.showErrorMessage(messageOf(error));
  }
}

/** Tell that there is no server, and how to get one. */
export async function offerInstall(): Promise<void> {
  const copy = l10n.t("Copy the command");
  const choose = l10n.t("Choose …");
  const sentence = l10n.t("The session server is not installed. Install it with: {0}", INSTALL);
  const answer = await vscode.window.showWarningMessage(sentence, copy, choose);
  if (answer === copy) await vscode.env.clipboard.writeText(INSTALL);
  if (answer !== choose) return;
  const [file] =
    (await vscode.window.showOpenDialog({ title: l10n.t("tenets-session-server") })) ?? [];
  if (!file) return;
  const target = vscode.ConfigurationTarget.Global;
  const configuration = vscode.workspace.getConfiguration("tenets");
  await configuration.update("server.command", [file.fsPath], target);
}
