// Commands on notes, and on the files that they are about.

import * as vscode from "vscode";
import { l10n } from "vscode";
import { askText, current, offerUndo, pickSession, say } from "./dialogs";
import { contentOf, noteUri, SCHEME } from "./noteDocuments";
import type { ContextEntry, Location, Session } from "./protocol";
import { SCHEMES, SessionError } from "./server";
import { iconOf, literal, locationOf, titleOf, uriOf } from "./text";
import type { Node } from "./tree";
import type { Window } from "./window";

/** Notes of one file that are listed. */
const MOST = 1000;

export class NoteCommands {
  constructor(private readonly window: Window) {}

  private get methods() {
    return this.window.server.methods;
  }

  async add(node?: Node): Promise<void> {
    const session = node?.type === "session" ? node.session : await current(this.window);
    if (!session) return;
    const options = {
      title: l10n.t("Add a note to {0}", session.name),
      prompt: l10n.t("Markdown. The note can be edited later as a document."),
    };
    await askText(this.window, options, async (content) => {
      if (!content.trim()) return;
      await this.methods.addContext({ sessionId: session.id, kind: "note", content });
      say(l10n.t("Added the note to {0}.", session.name));
    });
  }

  /** Add the lines that are selected; with a comment, the note is that, at these lines. */
  async addSelection(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (!editor || editor.document.uri.scheme === SCHEME) {
      throw new Error(l10n.t("Open a file and select the lines first."));
    }
    const { document, selection } = editor;
    const session = await current(this.window, document.uri);
    if (!session) return;
    const first = selection.start.line;
    const isAtStart = selection.end.character === 0 && selection.end.line > first;
    const last = isAtStart ? selection.end.line - 1 : selection.end.line;
    const range = document.validateRange(new vscode.Range(first, 0, last + 1, 0));
    const text = document.getText(range);
    if (!text.trim()) throw new Error(l10n.t("The lines are blank."));
    const isFound = SCHEMES.includes(document.uri.scheme);
    const { start, end } = range;
    const location: Location = {
      uri: document.uri.toString(),
      range: {
        start: { line: start.line, character: start.character },
        end: { line: end.line, character: end.character },
      },
    };
    const options = {
      title:
        first === last
          ? l10n.t("Add line {0} to {1}", first + 1, session.name)
          : l10n.t("Add lines {0}-{1} to {2}", first + 1, last + 1, session.name),
      prompt: l10n.t("Comment (optional): press Enter for the lines alone."),
    };
    await askText(this.window, options, async (comment) => {
      const isNote = comment.trim() !== "";
      await this.methods.addContext({
        sessionId: session.id,
        kind: isNote ? "note" : "code",
        // Nobody finds the lines of a document that is not saved: they are in the note.
        content: !isNote ? text : isFound ? comment : `${comment}\n\n${fenced(text, document)}`,
        location: isFound ? (location as never) : undefined,
      });
      say(l10n.t("Added to {0}.", session.name));
    });
  }

  /** Open a note beside the code, where the other notes are. */
  async open(entry: ContextEntry): Promise<void> {
    const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
    const isHere = !input || (input instanceof vscode.TabInputText && input.uri.scheme === SCHEME);
    const viewColumn = isHere ? vscode.ViewColumn.Active : vscode.ViewColumn.Beside;
    const options = { viewColumn, preserveFocus: true, preview: true };
    await vscode.commands.executeCommand("vscode.open", noteUri(entry), options);
  }

  async preview(node?: Node): Promise<void> {
    if (node?.type !== "note") return;
    await vscode.commands.executeCommand("markdown.showPreviewToSide", noteUri(node.entry));
  }

  /** Move the notes of the view that are given to a session that the user picks. */
  async moveTo(node?: Node, nodes?: readonly Node[]): Promise<void> {
    const entries = (nodes ?? [node]).flatMap((one) => (one?.type === "note" ? [one.entry] : []));
    if (entries.length === 0) return;
    const to = await pickSession(this.window, l10n.t("Move to which session?"));
    if (to) await this.move(entries, to);
  }

  /** Add copies of notes to another session, and remove them from their own. */
  async move(entries: readonly ContextEntry[], to: Session): Promise<void> {
    const moved: { id: number; state: string; trashId: number | null | undefined }[] = [];
    try {
      for (const entry of entries.filter(({ sessionId }) => sessionId !== to.id)) {
        const found = await contentOf(this.methods, entry.id);
        const { kind, content, location } = found;
        const params = { sessionId: to.id, kind, content, location: location as never };
        const { id, state } = await this.methods.addContext(params);
        try {
          const removal = { id: entry.id, ifState: found.state };
          const { trashId } = await this.methods.removeContext(removal);
          moved.push({ id, state, trashId });
        } catch (error) {
          if (!isConflict(error)) throw error; // it may be gone
          await this.methods.removeContext({ id });
          throw new Error(l10n.t("A note was changed meanwhile. It stays where it is."));
        }
      }
    } finally {
      if (moved.length > 0) {
        const sentence =
          moved.length === 1
            ? l10n.t("Moved the note to {0}.", to.name)
            : l10n.t("Moved {0} notes to {1}.", moved.length, to.name);
        void offerUndo(this.window, sentence, async () => {
          let stays = false;
          for (const { id, state, trashId } of moved.reverse()) {
            try {
              await this.methods.removeContext({ id, ifState: state });
            } catch (error) {
              if (!isConflict(error)) throw error;
              stays = true;
              continue;
            }
            if (trashId != null) await this.methods.restore({ id: trashId });
          }
          if (stays) throw new Error(l10n.t("A note was changed since. It stays in {0}.", to.name));
        });
      }
    }
  }

  async revealPlace(node?: Node): Promise<void> {
    const location = node?.type === "note" ? locationOf(node.entry) : undefined;
    if (node?.type !== "note" || !location) return;
    const document = await vscode.workspace.openTextDocument(uriOf(location));
    const placed = await this.placed(location.uri, document);
    const range = placed.find(({ id }) => id === node.entry.id)?.range;
    const selection = range && new vscode.Range(range.start.line, 0, range.start.line, 0);
    await vscode.window.showTextDocument(document, { selection });
    if (!range && location.range) {
      say(
        l10n.t("The line is not there any more; it was line {0}.", location.range.start.line + 1),
      );
    }
  }

  /** The notes of the file in the editor, by their lines; those that have lost them come last. */
  async listOfFile(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    if (!document) throw new Error(l10n.t("Open a file first."));
    const uri = document.uri.toString();
    const [{ entries }, placed] = await Promise.all([
      this.methods.listContext({ uri, includeContent: false, limit: MOST }),
      this.placed(uri, document),
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
      return { label: literal(titleOf(entry)), description, iconPath: iconOf(entry), entry, line };
    };
    const items = entries.map(itemOf).sort((one, other) => (one.line ?? 1e9) - (other.line ?? 1e9));
    const lost = items.findIndex(({ line }) => line === undefined);
    const separator = { label: l10n.t("without a line"), kind: vscode.QuickPickItemKind.Separator };
    const all: (vscode.QuickPickItem & { entry?: ContextEntry; line?: number })[] = [...items];
    if (lost >= 0) all.splice(lost, 0, separator);
    const picked = await vscode.window.showQuickPick(all, {
      title: l10n.t("Notes of this file"),
      placeHolder: items.length ? undefined : l10n.t("There are none."),
      matchOnDescription: true,
    });
    if (!picked?.entry) return;
    if (picked.line === undefined) return this.open(picked.entry);
    const start = new vscode.Position(picked.line, 0);
    await vscode.window.showTextDocument(document, { selection: new vscode.Range(start, start) });
  }

  async pin(given: readonly vscode.Uri[] | undefined, isPinned: boolean): Promise<void> {
    const uris = given ?? [vscode.window.activeTextEditor?.document.uri];
    for (const uri of uris) {
      if (uri?.scheme !== "file") throw new Error(l10n.t("Open a file of this machine first."));
      const session = await current(this.window, uri);
      if (!session) return;
      const params = { sessionId: session.id, uri: uri.toString() };
      await (isPinned ? this.methods.pin(params) : this.methods.unpin(params));
    }
  }

  /** Where the notes of a document are; none of a document that is too large to look. */
  private async placed(uri: string, document: vscode.TextDocument) {
    try {
      return (await this.methods.locate({ uri, text: document.getText() })).placed;
    } catch (error) {
      if (error instanceof SessionError && error.kind === "limitExceeded") return [];
      throw error;
    }
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof SessionError && error.kind === "conflict";
}

/** A text as a code block, which it does not end. */
function fenced(text: string, { languageId }: vscode.TextDocument): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${languageId}\n${text.trimEnd()}\n${fence}`;
}
