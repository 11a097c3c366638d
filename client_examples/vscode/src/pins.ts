// Files that are pinned to the session of this window: marked in the explorer and in tabs.

import * as vscode from "vscode";
import { l10n } from "vscode";
import type { Window } from "./window";

export class Pins implements vscode.FileDecorationProvider, vscode.Disposable {
  private pinned = new Set<string>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri[]>();
  private readonly subscriptions: vscode.Disposable[];
  readonly onDidChangeFileDecorations = this.changed.event;

  constructor(private readonly window: Window) {
    this.subscriptions = [
      this.changed,
      vscode.window.registerFileDecorationProvider(this),
      window.onDidChange(() => this.follow()),
    ];
  }

  provideFileDecoration(uri: vscode.Uri): vscode.FileDecoration | undefined {
    if (uri.scheme !== "file" || !this.pinned.has(uri.fsPath)) return undefined;
    const tooltip = l10n.t("Pinned to {0}", this.window.shown.session?.name ?? "");
    return new vscode.FileDecoration("★", tooltip, new vscode.ThemeColor("charts.blue"));
  }

  dispose(): void {
    for (const one of this.subscriptions) one.dispose();
  }

  private follow(): void {
    const listed = this.window.shown.session?.metadata?.pinned_files;
    const paths = Array.isArray(listed) ? listed.filter((path) => typeof path === "string") : [];
    const before = this.pinned;
    this.pinned = new Set(paths);
    const differ = [...before, ...paths].filter(
      (path) => before.has(path) !== this.pinned.has(path),
    );
    if (differ.length === 0) return;
    void vscode.commands.executeCommand("setContext", "tenets.pinned", paths);
    this.changed.fire(differ.map((path) => vscode.Uri.file(path)));
  }
}
