// What several commands ask and tell the user.

import * as vscode from "vscode";
import { l10n } from "vscode";
import type { Session } from "./protocol";
import { INSTALL, messageOf } from "./server";
import { ago, literal } from "./text";
import type { Window } from "./window";

/** Sessions in a quick pick. */
const MOST_SESSIONS = 1000;

/** The session that is shown for a file, or in this window; if there is none, the user is asked. */
export async function current(window: Window, uri?: vscode.Uri): Promise<Session | undefined> {
  const { session } = uri ? window.shownFor(uri) : window.shown;
  return session ?? (await pickSession(window, l10n.t("Add to which session?")));
}

/** What a user picks from: the sessions that were changed last. */
export async function recentSessions(window: Window): Promise<Session[]> {
  const query = { order: "recent", limit: MOST_SESSIONS, includeMetadata: false } as const;
  return (await window.server.methods.list(query)).sessions;
}

export async function pickSession(window: Window, title: string): Promise<Session | undefined> {
  const items = recentSessions(window).then((sessions) =>
    sessions.map((session) => ({
      label: literal(session.name),
      description: session.active ? l10n.t("active") : ago(session.createdAt),
      session,
    })),
  );
  const placeHolder = l10n.t("Name of a session");
  return (await vscode.window.showQuickPick(items, { title, placeHolder }))?.session;
}

/**
 * Ask for a text, and do something with it. The box stays while the user looks something up, and
 * a text that is refused can be given once more.
 */
export async function askText(
  window: Window,
  options: vscode.InputBoxOptions,
  take: (text: string) => Promise<void>,
): Promise<void> {
  for (let value = options.value; ;) {
    const given = await vscode.window.showInputBox({ ...options, value, ignoreFocusOut: true });
    if (given === undefined) return;
    try {
      return await take(given);
    } catch (error) {
      window.server.log.warn(messageOf(error));
      const again = l10n.t("Edit and Try Again");
      if ((await vscode.window.showErrorMessage(messageOf(error), again)) !== again) return;
      value = given;
    }
  }
}

export function say(sentence: string): void {
  vscode.window.setStatusBarMessage(`$(check) ${literal(sentence)}`, 5000);
}

/** Say what was done, with a button that undoes it. An error of that is shown. */
export async function offerUndo(
  window: Window,
  sentence: string,
  undo: () => Promise<void>,
): Promise<void> {
  const label = l10n.t("Undo");
  if ((await vscode.window.showInformationMessage(sentence, label)) !== label) return;
  await attempt(window, undo);
}

/** Do something for the user, who is shown the error of it. */
export async function attempt(window: Window, work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (window.server.state === "missing") return offerInstall();
    window.server.log.warn(messageOf(error));
    await vscode.window.showErrorMessage(messageOf(error));
  }
}

/** Tell that there is no server, and how to get one. */
export async function offerInstall(): Promise<void> {
  const copy = l10n.t("Copy the command");
  const choose = l10n.t("Choose …");
  const sentence = l10n.t("The session server is not installed. Install it with: {0}", INSTALL);
  const answer = await vscode.window.showWarningMessage(sentence, copy, choose);
  if (answer === copy) await vscode.env.clipboard.writeText(INSTALL);
  if (answer !== choose) return;
  const [file] =
    (await vscode.window.showOpenDialog({ title: l10n.t("tenets-session-server") })) ?? [];
  if (!file) return;
  const target = vscode.ConfigurationTarget.Global;
  const configuration = vscode.workspace.getConfiguration("tenets");
  await configuration.update("server.command", [file.fsPath], target);
}
