// Notes as documents that are read, edited and saved like files.

import * as vscode from "vscode";
import type { ChangeBatch, ContextEntry, SessionMethods } from "./protocol";
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

type Entry = NonNullable<Awaited<ReturnType<SessionMethods["getContext"]>>>;

/** An entry with all of its content, read in pieces. Raises a {@link SessionError}. */
export async function contentOf(
  methods: SessionMethods,
  id: number,
): Promise<Entry & { content: string }> {
  const parts: string[] = [];
  let first: Entry | undefined;
  for (let offset: number | null = 0; offset !== null;) {
    const piece: Entry | null = await methods.getContext({ id, offset });
    if (!piece || (first && piece.state !== first.state && stampOf(piece) !== stampOf(first))) {
      // It is gone, or another one than that of the pieces before.
      throw new SessionError(
        piece ? "" : "contextNotFound",
        vscode.l10n.t("The note was changed or deleted at this moment. Try again."),
        {},
      );
    }
    if (piece.size > LARGEST) {
      throw new SessionError(
        "limitExceeded",
        vscode.l10n.t("The note is too large here. Use the command line: tenets-session show."),
        {},
      );
    }
    first ??= piece;
    parts.push(piece.content ?? "");
    offset = piece.nextOffset;
  }
  return { ...first!, content: parts.join("") };
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
    const found = await this.look(uri);
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
    try {
      const found = await contentOf(this.window.server.methods, noteId(uri));
      this.bases.set(found.id, { stamp: stampOf(found), size: found.size });
      return new TextEncoder().encode(found.content);
    } catch (error) {
      throw this.translated(uri, error);
    }
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

  /** A note without its content, but for some bytes. */
  private async look(uri: vscode.Uri): Promise<Entry> {
    try {
      const found = await this.window.server.methods.getContext({ id: noteId(uri), maxBytes: 4 });
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
