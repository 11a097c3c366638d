// Notes as documents that are read, edited and saved like files.

import * as vscode from "vscode";
import type { ChangeBatch, ContextEntry } from "./protocol";
import { messageOf, SessionError } from "./server";
import { locationOf, titleOf, uriOf } from "./text";
import type { Window } from "./window";

export const SCHEME = "tenets-note";
/** Bytes of the largest note that is opened. */
const LARGEST = 32 * 1024 * 1024;

/** The URI of a note; its last part is the title of the tab, and says the language. */
export function noteUri(entry: ContextEntry): vscode.Uri {
  const title =
    titleOf(entry)
      .replace(/[^\p{L}\p{N} ._-]+/gu, " ")
      .trim()
      .slice(0, 40) || entry.kind;
  const location = locationOf(entry);
  const suffix = location && /\.\w+$/.exec(uriOf(location).path)?.[0];
  const extension = entry.kind === "note" ? ".md" : (suffix ?? ".txt");
  return vscode.Uri.from({ scheme: SCHEME, path: `/${entry.id}/${title}${extension}` });
}

export function noteId(uri: vscode.Uri): number {
  return Number(uri.path.split("/")[1]);
}

/** When the content of a note was written. */
function stampOf({ createdAt, updatedAt }: { createdAt: string; updatedAt?: string }): string {
  return updatedAt ?? createdAt;
}

export class NoteDocuments implements vscode.FileSystemProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  private readonly subscriptions: vscode.Disposable[];
  /** The state in which VS Code last looked at a note: what changes later refuses a save. */
  private readonly states = new Map<number, string>();
  /** What VS Code was told of a note last. */
  private readonly told = new Map<number, { stamp: string; mtime: number }>();
  /** What the text in the editor was made of. */
  private readonly bases = new Map<number, { stamp: string; size: number }>();
  readonly onDidChangeFile = this.changed.event;

  constructor(private readonly window: Window) {
    this.subscriptions = [
      this.changed,
      vscode.workspace.registerFileSystemProvider(SCHEME, this, { isCaseSensitive: true }),
      window.onDidChange((batch) => this.follow(batch)),
    ];
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => {}); // all open notes are
  }

  /**
   * VS Code looks here before it saves, and refuses to overwrite what has changed: if the time is
   * later than that of its text, and the size is another one. Both are made so, as a change within
   * one millisecond, or to a text of equal length, would be lost.
   */
  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const found = await this.piece(uri, 0, 4);
    this.states.set(found.id, found.state);
    const stamp = stampOf(found);
    const told = this.told.get(found.id);
    let mtime = Date.parse(stamp);
    if (told) mtime = told.stamp === stamp ? told.mtime : Math.max(mtime, told.mtime + 1);
    this.told.set(found.id, { stamp, mtime });
    const base = this.bases.get(found.id);
    const isAlike = base && base.stamp !== stamp && base.size === found.size;
    const size = found.size + (isAlike ? 1 : 0);
    return { type: vscode.FileType.File, ctime: Date.parse(found.createdAt), mtime, size };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const parts: string[] = [];
    for (let offset: number | null = 0; offset !== null;) {
      const piece = await this.piece(uri, offset);
      if (piece.size > LARGEST) {
        throw vscode.FileSystemError.Unavailable(
          vscode.l10n.t(
            "The note is too large to be edited. Use the command line: tenets-session show.",
          ),
        );
      }
      if (offset === 0) this.bases.set(piece.id, { stamp: stampOf(piece), size: piece.size });
      parts.push(piece.content ?? "");
      offset = piece.nextOffset;
    }
    return new TextEncoder().encode(parts.join(""));
  }

  async writeFile(uri: vscode.Uri, content: Uint8Array): Promise<void> {
    const id = noteId(uri);
    try {
      const written = await this.window.server.methods.updateContext({
        id,
        content: new TextDecoder().decode(content),
        ifState: this.states.get(id),
      });
      this.states.set(id, written.state);
      this.bases.set(id, { stamp: stampOf(written), size: written.size });
    } catch (error) {
      throw this.translated(uri, error);
    }
  }

  async delete(uri: vscode.Uri): Promise<void> {
    await this.window.server.methods.removeContext({ id: noteId(uri) });
  }

  readDirectory(): [string, vscode.FileType][] {
    return [];
  }

  createDirectory(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  rename(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  dispose(): void {
    for (const one of this.subscriptions) one.dispose();
  }

  private async piece(uri: vscode.Uri, offset: number, maxBytes?: number) {
    try {
      const found = await this.window.server.methods.getContext({
        id: noteId(uri),
        offset,
        maxBytes,
      });
      if (found) return found;
    } catch (error) {
      throw this.translated(uri, error);
    }
    throw vscode.FileSystemError.FileNotFound(uri);
  }

  private translated(uri: vscode.Uri, error: unknown): Error {
    const kind = error instanceof SessionError ? error.kind : "";
    if (kind === "contextNotFound") return vscode.FileSystemError.FileNotFound(uri);
    if (kind === "conflict") {
      return new Error(
        vscode.l10n.t("The note was changed elsewhere at the same moment. Save again to compare."),
      );
    }
    return vscode.FileSystemError.Unavailable(messageOf(error));
  }

  private follow(batch: ChangeBatch | undefined): void {
    const open = vscode.workspace.textDocuments.filter(({ uri }) => uri.scheme === SCHEME);
    const events: vscode.FileChangeEvent[] = [];
    for (const { uri } of open) {
      const changes = batch?.changes.filter(({ contextId }) => contextId === noteId(uri));
      const isGone = changes?.some(({ type }) => type === "contextRemoved");
      if (isGone) events.push({ uri, type: vscode.FileChangeType.Deleted });
      else if (!changes || changes.length > 0) {
        events.push({ uri, type: vscode.FileChangeType.Changed });
      }
    }
    if (events.length > 0) this.changed.fire(events);
  }
}
