// Search with results as you type, and a preview of the one that is selected.

import * as vscode from "vscode";
import { showError } from "./dialogs";
import { noteUri } from "./noteDocuments";
import type { ContextEntry, SearchHit } from "./protocol";
import { messageOf } from "./server";
import { ago, iconOf } from "./text";
import type { Window } from "./window";

/** Milliseconds after the last key until the search is sent. */
const PAUSE = 60;

interface HitItem extends vscode.QuickPickItem {
  hit?: SearchHit;
}

/** Let the user search; `switchTo` gets a session that is picked. */
export function search(
  window: Window,
  switchTo: (session: { id?: number; name: string }) => Promise<void>,
): void {
  const pick = vscode.window.createQuickPick<HitItem>();
  pick.placeholder = vscode.l10n.t('Words, "a phrase", -without');
  pick.title = vscode.l10n.t("Search notes and sessions");
  let timer: NodeJS.Timeout | undefined;
  let previewed: vscode.Uri | undefined;
  let running: AbortController | undefined;
  const end = () => {
    clearTimeout(timer);
    running?.abort();
  };
  pick.onDidChangeValue((query) => {
    end();
    pick.busy = query.trim() !== "";
    timer = setTimeout(async () => {
      const own = (running = new AbortController());
      try {
        const { hits } = await window.server.methods.search({ query }, { signal: own.signal });
        if (own.signal.aborted) return;
        pick.items = hits.map(itemOf);
      } catch (error) {
        if (own.signal.aborted) return;
        pick.items = [{ label: `$(error) ${messageOf(error)}`, alwaysShow: true }];
      }
      pick.busy = false;
    }, PAUSE);
  });
  pick.onDidChangeActive(([item]) => {
    const entry = item?.hit?.entry;
    if (!entry) return;
    previewed = noteUri(entry);
    void open(entry, { preview: true, preserveFocus: true });
  });
  pick.onDidAccept(async () => {
    const { entry, session } = pick.selectedItems[0]?.hit ?? {};
    previewed = undefined;
    pick.hide();
    try {
      if (entry) await open(entry, { preview: false });
      else if (session?.name) await switchTo({ id: session.id, name: session.name });
    } catch (error) {
      await showError(window, error);
    }
  });
  pick.onDidHide(() => {
    end();
    pick.dispose();
    if (previewed) void closePreview(previewed);
  });
  pick.show();
}

async function open(entry: ContextEntry, options: vscode.TextDocumentShowOptions): Promise<void> {
  await vscode.commands.executeCommand("vscode.open", noteUri(entry), options);
}

/** Close what was only looked at while the user searched. */
async function closePreview(uri: vscode.Uri): Promise<void> {
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
  const isIt = ({ input, isPreview }: vscode.Tab) =>
    isPreview && input instanceof vscode.TabInputText && input.uri.toString() === uri.toString();
  await vscode.window.tabGroups.close(tabs.filter(isIt), true);
}

function itemOf(hit: SearchHit): HitItem {
  const { entry, session, snippet } = hit;
  // The server has found it: what VS Code would filter by is not in the label, perhaps.
  const common = { hit, alwaysShow: true };
  if (!entry) {
    return {
      ...common,
      label: session.name ?? "",
      description: vscode.l10n.t("session"),
      iconPath: new vscode.ThemeIcon("bookmark"),
    };
  }
  return {
    ...common,
    label: snippet.replace(/\s+/g, " "),
    description: [session.name, ago(entry.createdAt)].filter(Boolean).join(" · "),
    iconPath: iconOf(entry),
  };
}
