// Commands on sessions.

import * as vscode from "vscode";
import { l10n } from "vscode";
import {
  askText,
  attempt,
  offerInstall,
  offerUndo,
  pickSession,
  recentSessions,
  say,
} from "./dialogs";
import type { Session } from "./protocol";
import { SessionError } from "./server";
import { literal } from "./text";
import type { Node } from "./tree";
import type { Window } from "./window";

interface SwitchItem extends vscode.QuickPickItem {
  run?: () => unknown;
}

export class SessionCommands {
  constructor(private readonly window: Window) {}

  private get methods() {
    return this.window.server.methods;
  }

  async switch(): Promise<void> {
    if (this.window.server.state === "missing") return offerInstall();
    const { shown } = this.window;
    const pick = vscode.window.createQuickPick<SwitchItem>();
    pick.title = l10n.t("Switch session");
    pick.placeholder = l10n.t("Name of a session");
    pick.busy = true;
    pick.matchOnDescription = true;
    pick.buttons = [{ iconPath: new vscode.ThemeIcon("add"), tooltip: l10n.t("Create a session") }];
    const others: SwitchItem[] = [{ label: "", kind: vscode.QuickPickItemKind.Separator }];
    const offer = (icon: string, label: string, run: () => unknown, alwaysShow = false) =>
      others.push({ label: literal(label), run, alwaysShow, iconPath: new vscode.ThemeIcon(icon) });
    offer("add", l10n.t("Create a session …"), () => this.create(pick.value), true);
    const { folder } = this.window;
    if (folder && shown.session && !shown.binding) {
      const { session } = shown;
      const label = l10n.t("Bind the folder {0} to {1}", folder.name, session.name);
      offer("folder", label, () => this.bindTo(folder, session));
    }
    if (folder && shown.binding) {
      offer("close", l10n.t("Unbind the folder {0}", folder.name), () => this.unbind());
    }
    if (shown.active) {
      const label = l10n.t("Leave {0}: no session is active", shown.active.name);
      offer("debug-pause", label, () => this.exit());
    }
    pick.onDidTriggerButton(() => {
      const { value } = pick;
      pick.hide();
      void this.create(value);
    });
    pick.onDidHide(() => pick.dispose());
    pick.onDidAccept(() => {
      const [item] = pick.selectedItems;
      pick.hide();
      void attempt(this.window, () => item?.run?.());
    });
    pick.show();
    try {
      const sessions = await recentSessions(this.window);
      pick.items = [...sessions.map((session) => this.switchItem(session)), ...others];
      pick.busy = false;
    } catch (error) {
      pick.hide();
      throw error;
    }
  }

  async activate({ id, name }: { id?: number; name: string }): Promise<void> {
    await this.methods.setActive(id === undefined ? { name } : { sessionId: id });
    await this.tellOfBinding(name);
  }

  /** Say that another session is active now than that which this folder shows. */
  private async tellOfBinding(name: string): Promise<void> {
    const { binding, session } = this.window.shown;
    if (!binding || !session || session.name === name) return;
    const keep = l10n.t("{0} is active now. This folder stays bound to {1}.", name, session.name);
    const unbind = l10n.t("Unbind this folder");
    if ((await vscode.window.showInformationMessage(keep, unbind)) === unbind) await this.unbind();
  }

  private switchItem(session: Session): SwitchItem {
    const { shown } = this.window;
    const isCurrent = session.id === shown.session?.id;
    const facts = [
      ...(session.id === shown.active?.id ? [l10n.t("active")] : []),
      ...(isCurrent && shown.binding ? [l10n.t("this folder")] : []),
    ];
    return {
      label: literal(session.name),
      description: facts.join(" · "),
      iconPath: new vscode.ThemeIcon(isCurrent ? "bookmark" : "blank"),
      run: () => this.activate(session),
    };
  }

  async create(value = ""): Promise<void> {
    const options = {
      title: l10n.t("Create a session"),
      prompt: l10n.t("It becomes the active session of all editors."),
      value,
      validateInput: (given: string) =>
        given.trim() ? undefined : l10n.t("A name has at least one character."),
    };
    await askText(this.window, options, async (name) => {
      try {
        await this.methods.create({ name, active: true });
      } catch (error) {
        if (!(error instanceof SessionError) || error.kind !== "sessionExists") throw error;
        const yes = l10n.t("Switch to it");
        const there = l10n.t("There is a session named {0}.", name);
        if ((await vscode.window.showInformationMessage(there, yes)) === yes) {
          await this.activate({ name });
        }
        return;
      }
      await this.tellOfBinding(name);
    });
  }

  async exit(): Promise<void> {
    const left = await this.methods.exit({});
    say(l10n.t("Left {0}. No session is active.", left.name));
  }

  async bind(node?: Node): Promise<void> {
    const session = await this.sessionOf(node, l10n.t("Bind this folder"));
    if (!session) return;
    const isOne = (vscode.workspace.workspaceFolders?.length ?? 0) < 2;
    const folder = isOne ? this.window.folder : await vscode.window.showWorkspaceFolderPick();
    if (folder) await this.bindTo(folder, session);
    else if (isOne) throw new Error(l10n.t("Open a folder first: a session is bound to a folder."));
  }

  private async bindTo(folder: vscode.WorkspaceFolder, { id, name }: Session): Promise<void> {
    await this.methods.bind({ sessionId: id, folder: folder.uri.toString() });
    await this.window.refresh();
    say(l10n.t("{0} shows {1} from now on, whatever is active.", folder.name, name));
  }

  async unbind(): Promise<void> {
    const { binding } = this.window.shown;
    if (!binding) return;
    await this.methods.bind({ name: null, folder: binding });
    await this.window.refresh();
  }

  async rename(node?: Node): Promise<void> {
    const session = await this.sessionOf(node, l10n.t("Rename"));
    if (!session) return;
    const value = session.name;
    const options = { title: l10n.t("Rename {0}", value), value };
    await askText(this.window, options, async (newName) => {
      if (newName !== value) await this.methods.rename({ sessionId: session.id, newName });
    });
  }

  async copy(node?: Node): Promise<void> {
    const session = await this.sessionOf(node, l10n.t("Copy"));
    if (!session) return;
    const value = l10n.t("{0} (copy)", session.name);
    const options = { title: l10n.t("Copy {0}", session.name), value };
    await askText(this.window, options, async (newName) => {
      await this.methods.copy({ sessionId: session.id, newName });
    });
  }

  async reset(node?: Node): Promise<void> {
    const session = await this.sessionOf(node, l10n.t("Reset"));
    if (!session) return;
    const before = this.window.shown.active;
    const { trashId } = await this.methods.reset({ sessionId: session.id });
    const sentence = l10n.t("{0} has no notes any more, and is active.", session.name);
    await offerUndo(this.window, sentence, async () => {
      if (trashId != null) await this.methods.restore({ id: trashId });
      if (before?.id === session.id) return;
      if (before) await this.methods.setActive({ sessionId: before.id });
      else await this.methods.exit({ sessionId: session.id });
    });
  }

  async export(node?: Node): Promise<void> {
    const session = await this.sessionOf(node, l10n.t("Export"));
    if (!session) return;
    const { content } = await this.methods.export({ sessionIds: [session.id], format: "markdown" });
    const document = await vscode.workspace.openTextDocument({ language: "markdown", content });
    await vscode.window.showTextDocument(document);
  }

  async import(): Promise<void> {
    const [file] = (await vscode.window.showOpenDialog({ filters: { JSON: ["json"] } })) ?? [];
    if (!file) return;
    const bytes = await vscode.workspace.fs.readFile(file);
    const content = new TextDecoder().decode(bytes);
    const done = await this.methods.import({ content, onConflict: "rename" });
    say(l10n.t("Imported {0} sessions.", String(done.imported)));
  }

  /** The session that is selected in the view, else one that the user picks. */
  private async sessionOf(node: Node | undefined, title: string): Promise<Session | undefined> {
    return node?.type === "session" ? node.session : pickSession(this.window, title);
  }
}
