// What was changed while the user was not here.

import * as vscode from "vscode";
import { l10n } from "vscode";
import { say } from "./dialogs";
import { noteUri } from "./noteDocuments";
import type { Change, ContextEntry } from "./protocol";
import { SessionError } from "./server";
import { iconOf, literal, titleOf } from "./text";
import type { Window } from "./window";

/** Changes that one request returns, and that are listed: the newest ones. */
const MOST = 1000;

const TEXTS: Record<Change["type"], () => string> = {
  activated: () => l10n.t("made active"),
  bound: () => l10n.t("bound to a folder"),
  contextAdded: () => l10n.t("added"),
  contextRemoved: () => l10n.t("note deleted"),
  contextUpdated: () => l10n.t("changed"),
  created: () => l10n.t("session created"),
  deactivated: () => l10n.t("left"),
  deleted: () => l10n.t("session deleted"),
  renamed: () => l10n.t("renamed"),
  reset: () => l10n.t("reset"),
  restored: () => l10n.t("restored"),
  updated: () => l10n.t("changed"),
};

/** List what others have changed since the user of this window asked last. */
export async function showChanges(window: Window): Promise<void> {
  let listed: Change[];
  try {
    listed = await newest(window);
  } catch (error) {
    if (!(error instanceof SessionError) || error.kind !== "revisionExpired") throw error;
    await window.see(String(error.data.state));
    return say(l10n.t("So much has changed that single changes are not known any more."));
  }
  if (listed.length === 0) return say(l10n.t("Nothing has changed."));
  const ids = [...new Set(listed.flatMap(({ contextId }) => contextId ?? []))];
  const { entries } = ids.length
    ? await window.server.methods.listContext({ ids, includeContent: false, limit: MOST })
    : { entries: [] };
  const known = new Map(entries.map((entry) => [entry.id, entry]));
  const items = listed.map((change) => itemOf(change, known.get(change.contextId ?? -1)));
  const picked = await vscode.window.showQuickPick(items, {
    title: l10n.t("What others have changed since you last asked"),
    matchOnDescription: true,
  });
  if (picked?.entry) await vscode.commands.executeCommand("vscode.open", noteUri(picked.entry));
}

/** The newest changes, which come first. The user has seen all of them then. */
async function newest(window: Window): Promise<Change[]> {
  const notAuthor = window.server.capability?.author;
  const found: Change[] = [];
  for (let sinceState = window.seen, isEnd = false; !isEnd;) {
    const page = await window.server.methods.changes({ sinceState, notAuthor, limit: MOST });
    found.push(...page.changes);
    found.splice(0, found.length - MOST);
    [sinceState, isEnd] = [page.state, !page.truncated];
    if (isEnd) await window.see(page.state);
  }
  return found.reverse();
}

function itemOf(change: Change, entry: ContextEntry | undefined) {
  const name = change.sessionName ?? change.folder ?? l10n.t("a session that is gone");
  const facts = [TEXTS[change.type]?.() ?? change.type, change.author];
  return {
    label: literal(entry ? titleOf(entry) : name),
    description: [...(entry ? [name] : []), ...facts].filter(Boolean).join(" · "),
    iconPath: entry ? iconOf(entry) : new vscode.ThemeIcon("bookmark"),
    entry,
  };
}
