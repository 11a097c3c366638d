// Search with results as you type, and a preview of the one that is selected.

import * as vscode from "vscode";
import { attempt } from "./dialogs";
import { noteUri } from "./noteDocuments";
import type { ContextEntry, SearchHit } from "./protocol";
import { messageOf } from "./server";
import { ago, iconOf, literal } from "./text";
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
        pick.items = [{ label: `$(error) ${literal(messageOf(error))}`, alwaysShow: true }];
      }
      pick.busy = false;
    }, PAUSE);
  });
  const preview = new Preview();
  pick.onDidChangeActive(([item]) => item?.hit?.entry && preview.show(item.hit.entry));
  pick.onDidAccept(() => {
    const { entry, session } = pick.selectedItems[0]?.hit ?? {};
    void attempt(window, async () => {
      if (entry) await preview.keep(entry);
      pick.hide();
      if (!entry && session?.name) await switchTo({ id: session.id, name: session.name });
    });
  });
  pick.onDidHide(() => {
    end();
    pick.dispose();
    void preview.close();
  });
  pick.show();
}

/** A note that is looked at while the user searches, in the editor's tab for previews. */
class Preview {
  /** The user's own preview, whose tab is taken. */
  private readonly before = previewOf(vscode.window.tabGroups.activeTabGroup.activeTab);
  private shown: vscode.Uri | undefined;
  private opening: Thenable<unknown> = Promise.resolve();

  show(entry: ContextEntry): void {
    const editor = vscode.workspace.getConfiguration("workbench.editor");
    if (!editor.get("enablePreview", true)) return; // each would get a tab that stays
    this.shown = noteUri(entry);
    const options = { preview: true, preserveFocus: true };
    this.opening = vscode.commands.executeCommand("vscode.open", this.shown, options);
  }

  async keep(entry: ContextEntry): Promise<void> {
    const uri = noteUri(entry);
    this.shown = undefined;
    await vscode.commands.executeCommand("vscode.open", uri, { preview: false });
  }

  /** Close what was only looked at, and show again what was there before. */
  async close(): Promise<void> {
    await this.opening;
    const { before, shown } = this;
    if (!shown) return;
    const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
    await vscode.window.tabGroups.close(
      tabs.filter((tab) => previewOf(tab)?.toString() === shown.toString()),
      true,
    );
    if (before) await vscode.commands.executeCommand("vscode.open", before, { preview: true });
  }
}

function previewOf(tab: vscode.Tab | undefined): vscode.Uri | undefined {
  return tab?.isPreview && tab.input instanceof vscode.TabInputText ? tab.input.uri : undefined;
}

function itemOf(hit: SearchHit): HitItem {
  const { entry, session, snippet } = hit;
  // The server has found it: what VS Code would filter by is not in the label, perhaps.
  const common = { hit, alwaysShow: true };
  if (!entry) {
    return {
      ...common,
      label: literal(session.name ?? ""),
      description: vscode.l10n.t("session"),
      iconPath: new vscode.ThemeIcon("bookmark"),
    };
  }
  return {
    ...common,
    label: literal(snippet.replace(/\s+/g, " ")),
    description: [session.name, ago(entry.createdAt)].filter(Boolean).join(" · "),
    iconPath: iconOf(entry),
  };
}
