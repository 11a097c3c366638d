import * as vscode from "vscode";
import { Commands } from "./commands";
import { offerInstall } from "./dialogs";
import { NoteDocuments } from "./noteDocuments";
import { Pins } from "./pins";
import { Server } from "./server";
import { StatusBar } from "./statusBar";
import { Window } from "./window";

let server: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("Tenets Sessions", { log: true });
  const isLocal = context.extension.extensionKind === vscode.ExtensionKind.UI;
  server = new Server(log, isLocal && vscode.env.remoteName !== undefined);
  const window = new Window(server, context.workspaceState);
  // Not awaited: VS Code goes on, and the rest is registered, while the server starts.
  void server.start();
  let hasTold = false;
  context.subscriptions.push(
    log,
    window,
    new StatusBar(window),
    new NoteDocuments(window),
    new Pins(window),
    new Commands(window),
    server.onDidChangeState((state) => {
      if (state !== "missing" || hasTold) return;
      hasTold = true;
      void offerInstall();
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      const settings = ["tenets.server", "tenets.annotations"];
      if (settings.some((one) => event.affectsConfiguration(one))) void server?.start();
      else if (event.affectsConfiguration("python.defaultInterpreterPath")) {
        server?.interpreterChanged();
      }
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => {
      if (server?.state === "missing") void server.start();
    }),
  );
}

export async function deactivate(): Promise<void> {
  await server?.dispose();
}
