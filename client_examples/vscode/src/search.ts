// Search with results as you type, and a preview of the one that is selected.

import * as vscode from "vscode";
import { noteUri } from "./noteDocuments";
import type { SearchHit } from "./protocol";
import { messageOf } from "./server";
import { ago, iconOf } from "./text";
import type { Window } from "./window";

/** Milliseconds after the last key until the search is sent. */
const PAUSE = 60;

interface HitItem extends vscode.QuickPickItem {
  hit?: SearchHit;
}

/** Let the user search; `switchTo` gets a session that is picked. */
export function search(window: Window, switchTo: (name: string) => Promise<void>): void {
  const pick = vscode.window.createQuickPick<HitItem>();
  pick.placeholder = vscode.l10n.t('Words, "a phrase", -without');
  pick.title = vscode.l10n.t("Search notes and sessions");
  let timer: NodeJS.Timeout | undefined;
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
    if (item?.hit?.entry) void open(item.hit, { preview: true, preserveFocus: true });
  });
  pick.onDidAccept(async () => {
    const [item] = pick.selectedItems;
    pick.hide();
    if (item?.hit?.entry) await open(item.hit, { preview: false });
    else if (item?.hit?.session.name) await switchTo(item.hit.session.name);
  });
  pick.onDidHide(() => {
    end();
    pick.dispose();
  });
  pick.show();
}

async function open(hit: SearchHit, options: vscode.TextDocumentShowOptions): Promise<void> {
  if (hit.entry) await vscode.commands.executeCommand("vscode.open", noteUri(hit.entry), options);
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
