// The commands. Each works from the palette, and on what is selected in the view.

import * as vscode from "vscode";
import { l10n } from "vscode";
import { showChanges } from "./changes";
import { attempt, offerInstall, offerUndo, pickSession, say } from "./dialogs";
import { NoteCommands } from "./noteCommands";
import type { ContextEntry } from "./protocol";
import { search } from "./search";
import type { ServerState } from "./server";
import { SessionCommands } from "./sessionCommands";
import { titleOf } from "./text";
import { Tree, type Listed, type Node } from "./tree";
import type { Window } from "./window";

export class Commands implements vscode.Disposable {
  private readonly tree: Tree;
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly window: Window) {
    const notes = new NoteCommands(window);
    const sessions = new SessionCommands(window);
    const tree = (this.tree = new Tree(window, (entries, session) => notes.move(entries, session)));
    const all: Record<string, (...given: never[]) => unknown> = {
      switch: () => sessions.switch(),
      create: () => sessions.create(),
      exit: () => sessions.exit(),
      bind: (node?: Node) => sessions.bind(node),
      unbind: () => sessions.unbind(),
      rename: (node?: Node) => sessions.rename(node),
      renameSelected: () => this.renameSelected(sessions),
      copy: (node?: Node) => sessions.copy(node),
      reset: (node?: Node) => sessions.reset(node),
      export: (node?: Node) => sessions.export(node),
      import: () => sessions.import(),
      activate: (node?: Node) => node?.type === "session" && sessions.activate(node.session),
      addNote: (node?: Node) => notes.add(node),
      addSelection: () => notes.addSelection(),
      openNote: (entry: ContextEntry) => notes.open(entry),
      previewNote: (node?: Node) => notes.preview(node),
      moveNote: (node?: Node, nodes?: Node[]) => notes.moveTo(node, nodes),
      revealPlace: (node?: Node) => notes.revealPlace(node),
      fileNotes: () => notes.listOfFile(),
      pin: (uri?: vscode.Uri, uris?: vscode.Uri[]) => notes.pin(uris ?? (uri && [uri]), true),
      unpin: (uri?: vscode.Uri, uris?: vscode.Uri[]) => notes.pin(uris ?? (uri && [uri]), false),
      search: () => search(window, (session) => sessions.activate(session)),
      changes: () => showChanges(window),
      delete: (node?: Node, nodes?: Node[]) => this.delete(nodes ?? (node && [node])),
      deleteSelected: () => this.delete(this.selected),
      restore: (node?: Node) => this.restore(node),
      emptyTrash: () => this.emptyTrash(),
      filter: () => this.filter(),
      clearFilter: () => tree.setFilter(""),
      showMore: (of: Listed) => tree.showMore(of),
      restart: () => this.restart(),
      showLog: () => window.server.log.show(),
    };
    const registered = Object.entries(all).map(([name, run]) =>
      vscode.commands.registerCommand(`tenets.${name}`, (...given: never[]) =>
        attempt(window, () => run(...given)),
      ),
    );
    this.subscriptions = [tree, ...registered];
  }

  dispose(): void {
    for (const one of this.subscriptions) one.dispose();
  }

  /** What is selected in the view. A row that only has the focus is not known to extensions. */
  private get selected(): readonly Node[] {
    const { selection } = this.tree.view;
    if (selection.length === 0) say(l10n.t("Select a row first: press Enter on it."));
    return selection;
  }

  private async renameSelected(sessions: SessionCommands): Promise<void> {
    const [node] = this.selected;
    if (node?.type === "session") await sessions.rename(node);
  }

  /** Delete sessions and notes; none given: a session that the user picks. */
  private async delete(given?: readonly Node[]): Promise<void> {
    const { methods } = this.window.server;
    const session = given ? undefined : await pickSession(this.window, l10n.t("Delete"));
    const chosen: readonly Node[] = session ? [{ type: "session", session }] : (given ?? []);
    const { active } = this.window.shown;
    const gone = new Set<number>();
    const trashed: number[] = [];
    const names: string[] = [];
    try {
      for (const one of chosen) {
        if (one.type !== "session") continue;
        const { deleted, trashId } = await methods.delete({ sessionId: one.session.id });
        gone.add(one.session.id);
        if (deleted) names.push(one.session.name);
        if (trashId != null) trashed.push(trashId);
      }
      for (const one of chosen) {
        if (one.type !== "note" || gone.has(one.entry.sessionId)) continue;
        const { removed, trashId } = await methods.removeContext({ id: one.entry.id });
        if (removed) names.push(titleOf(one.entry));
        if (trashId != null) trashed.push(trashId);
      }
    } finally {
      if (names.length > 0) {
        const what = names.length === 1 ? names[0]! : l10n.t("{0} items", names.length);
        void offerUndo(this.window, l10n.t("Deleted {0}.", what), async () => {
          await this.restoreAll(trashed.reverse());
          if (active && gone.has(active.id)) await methods.setActive({ sessionId: active.id });
        });
      }
    }
  }

  /** Bring back what can be; the first error is raised at the end. */
  private async restoreAll(ids: readonly number[]): Promise<void> {
    const errors: unknown[] = [];
    for (const id of ids) {
      try {
        await this.window.server.methods.restore({ id });
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  private async restore(node?: Node): Promise<void> {
    if (node?.type !== "trashItem") return;
    const { sessions, entries } = await this.window.server.methods.restore({ id: node.item.id });
    const names = sessions.map(({ name }) => name).join(", ");
    say(names ? l10n.t("Restored {0}.", names) : l10n.t("Restored {0} notes.", entries));
  }

  private async emptyTrash(): Promise<void> {
    const question = l10n.t("Empty the trash?");
    const detail = l10n.t("What is in it cannot be brought back then.");
    const yes = l10n.t("Empty Trash");
    const options = { modal: true, detail };
    if ((await vscode.window.showWarningMessage(question, options, yes)) !== yes) return;
    await this.window.server.methods.emptyTrash({});
    this.tree.refresh(); // no session has changed, so the server tells nothing
  }

  private async restart(): Promise<void> {
    const { server } = this.window;
    const wasMissing = server.state === "missing";
    await server.start();
    if (wasMissing && (server.state as ServerState) === "missing") await offerInstall();
  }

  private filter(): void {
    const input = vscode.window.createInputBox();
    input.title = l10n.t("Filter sessions by name");
    input.value = this.tree.filter;
    input.onDidChangeValue((value) => this.tree.setFilter(value));
    input.onDidAccept(() => input.hide());
    input.onDidHide(() => input.dispose());
    input.show();
  }
}
