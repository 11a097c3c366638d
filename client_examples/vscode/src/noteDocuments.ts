// Notes as documents that are read, edited and saved like files.

import * as vscode from "vscode";
import type { Change, ChangeBatch, ContextEntry, SessionMethods } from "./protocol";
import { messageOf, SessionError } from "./server";
import { locationOf, titleOf, uriOf } from "./text";
import type { Window } from "./window";

export const SCHEME = "tenets-note";
/** Bytes of the largest note that is opened. */
const LARGEST = 32 * 1024 * 1024;
/** Sizes by which two contents of one length are told apart. */
const SIZES = 4096;
/** Changes of a session that are changes of its notes. */
const WITH_NOTES: string[] = ["deleted", "reset", "restored"] satisfies Change["type"][];

/** The URI of a note: that of its tab or document, so that no note is open twice. */
export function noteUri(entry: ContextEntry): vscode.Uri {
  const inputs = vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs.map(({ input }) => input));
  const open = [
    ...inputs.flatMap((input) => (input instanceof vscode.TabInputText ? [input.uri] : [])),
    ...vscode.workspace.textDocuments.map(({ uri }) => uri),
  ];
  return open.find((uri) => uri.scheme === SCHEME && noteId(uri) === entry.id) ?? newUri(entry);
}

/** The last part of a new URI is the title of the tab, and says the language. */
function newUri(entry: ContextEntry): vscode.Uri {
  const words = titleOf(entry).replace(/[^\p{L}\p{M}\p{N} ._-]+/gu, " ");
  const title = [...words.trim()].slice(0, 40).join("") || entry.kind;
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

/** A text that is another one for each content of a note. */
function stampOf(entry: { createdAt: string; updatedAt?: string; size: number }): string {
  return `${entry.updatedAt ?? entry.createdAt} ${entry.size}`;
}

/** What VS Code was told of one content of a note. */
type Told = Pick<vscode.FileStat, "mtime" | "size">;

/** VS Code takes a text that begins with it for UTF-8, whatever `files.encoding` is. */
const MARK = "\ufeff";

export class NoteDocuments implements vscode.FileSystemProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  private readonly subscriptions: vscode.Disposable[];
  /** The state in which VS Code last looked at a note: what changes later refuses a save. */
  private readonly states = new Map<number, string>();
  /** What VS Code was told of each content of a note. */
  private readonly told = new Map<number, Map<string, Told>>();
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
   * later than that of its text, and the size is another one. So each content has a time and a
   * size of its own, also after a restart.
   */
  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const found = await this.look(uri);
    this.states.set(found.id, found.state);
    const stamp = stampOf(found);
    const known = this.told.get(found.id) ?? new Map<string, Told>();
    this.told.set(found.id, known);
    const told = known.get(stamp) ?? tell(found, stamp, [...known.values()]);
    known.set(stamp, told);
    return { type: vscode.FileType.File, ctime: Date.parse(found.createdAt), ...told };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    try {
      const { content } = await contentOf(this.window.server.methods, noteId(uri));
      return new TextEncoder().encode(MARK + content);
    } catch (error) {
      throw this.translated(uri, error);
    }
  }

  async writeFile(uri: vscode.Uri, bytes: Uint8Array): Promise<void> {
    const id = noteId(uri);
    let content: string;
    try {
      content = new TextDecoder("utf-8", { fatal: true }).decode(bytes); // without the mark
    } catch {
      throw vscode.FileSystemError.NoPermissions(
        vscode.l10n.t("A note is saved as UTF-8. Choose that in the status bar, and save again."),
      );
    }
    try {
      const ifState = this.states.get(id);
      const written = await this.window.server.methods.updateContext({ id, content, ifState });
      this.states.set(id, written.state);
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

  /** VS Code asks for it before it saves what is not there. */
  createDirectory(): void {
    throw vscode.FileSystemError.NoPermissions(
      vscode.l10n.t("The note was deleted. Copy its text, or restore it from the trash first."),
    );
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
    // With a session that is deleted or reset its notes go, and each restored one is back.
    const isOfSession = batch?.changes.some(({ type }) => WITH_NOTES.includes(type));
    const changed = new Set(batch?.changes.map(({ contextId }) => contextId));
    const affected = open.filter(({ uri }) => !batch || isOfSession || changed.has(noteId(uri)));
    if (affected.length > 0) void this.tell(affected.map(({ uri }) => uri));
  }

  private async tell(uris: readonly vscode.Uri[]): Promise<void> {
    const events = uris.map(async (uri) => {
      const isThere = await this.look(uri).then(
        () => true,
        ({ code }) => code !== "FileNotFound", // while the server is not there nothing is known
      );
      return { uri, type: vscode.FileChangeType[isThere ? "Changed" : "Deleted"] };
    });
    this.changed.fire(await Promise.all(events));
  }
}

/** A time and a size for a content, other than those of the contents before. */
function tell(entry: Entry, stamp: string, before: readonly Told[]): Told {
  const written = Date.parse(entry.updatedAt ?? entry.createdAt);
  const sizes = new Set(before.map(({ size }) => size));
  let size = entry.size + MARK.length + (hashOf(stamp) % SIZES);
  while (sizes.has(size)) size++;
  return { mtime: Math.max(written, ...before.map(({ mtime }) => mtime + 1)), size };
}

/** A number of 32 bits that a text has always. */
function hashOf(text: string): number {
  let hash = 0;
  for (const one of text) hash = (hash * 31 + one.codePointAt(0)!) >>> 0;
  return hash;
}
