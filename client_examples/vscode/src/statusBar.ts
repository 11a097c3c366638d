// The status bar: the session of this window, and where it comes from.

import * as vscode from "vscode";
import { ago, literal, plain, titleOf } from "./text";
import type { Window } from "./window";

/** Notes in the tooltip. */
const NOTES = 5;

export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem(
    "tenets.session",
    vscode.StatusBarAlignment.Left,
    50,
  );
  private readonly subscription: vscode.Disposable;
  private drawn = 0;

  constructor(private readonly window: Window) {
    this.item.name = vscode.l10n.t("Tenets session");
    this.item.command = "tenets.switch";
    this.subscription = window.onDidChange(() => this.draw());
    this.draw();
    this.item.show();
  }

  dispose(): void {
    this.subscription.dispose();
    this.item.dispose();
  }

  private draw(): void {
    const { server, shown } = this.window;
    const drawn = ++this.drawn;
    if (server.state !== "running") return this.drawState();
    const { session, binding, trouble } = shown;
    if (trouble !== undefined) {
      return this.set(`$(warning) ${vscode.l10n.t("sessions unavailable")}`, trouble);
    }
    const icon = binding ? "$(folder)" : "$(bookmark)";
    this.set(
      `${icon} ${session ? literal(session.name) : vscode.l10n.t("no session")}`,
      session
        ? binding
          ? vscode.l10n.t(
              "Session {0}, of the folder {1}",
              session.name,
              this.window.folder?.name ?? "",
            )
          : vscode.l10n.t("Session {0}, active in all editors", session.name)
        : vscode.l10n.t("No session is active"),
    );
    if (session) void this.drawNotes(session.id, drawn);
  }

  private drawState(): void {
    const { state } = this.window.server;
    if (state === "starting") {
      this.set(`$(bookmark) …`, vscode.l10n.t("The session server is starting"));
    } else {
      this.set(
        `$(debug-disconnect) ${vscode.l10n.t("disconnected")}`,
        state === "missing"
          ? vscode.l10n.t("The session server is not installed")
          : vscode.l10n.t("The session server has ended; it is started again"),
      );
    }
  }

  private set(text: string, sentence: string): void {
    // Setting an equal text would still send it to the window.
    if (this.item.text !== text) this.item.text = text;
    this.item.tooltip = sentence;
    this.item.accessibilityInformation = { label: sentence, role: "button" };
  }

  /** Add the last notes to the tooltip; it is read long after the text. */
  private async drawNotes(sessionId: number, drawn: number): Promise<void> {
    try {
      const { entries } = await this.window.server.methods.listContext({
        sessionId,
        order: "newest",
        limit: NOTES,
        includeContent: false,
      });
      if (drawn !== this.drawn || entries.length === 0) return;
      const lines = entries.map((entry) => `- ${plain(titleOf(entry))} *${ago(entry.createdAt)}*`);
      const head = plain(String(this.item.tooltip));
      this.item.tooltip = new vscode.MarkdownString(`${head}\n\n${lines.join("\n")}`);
    } catch (error) {
      this.window.server.log.debug(`the last notes are not known: ${String(error)}`);
    }
  }
}
