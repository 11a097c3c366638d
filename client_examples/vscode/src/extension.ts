import * as vscode from "vscode";
import { Commands, offerInstall } from "./commands";
import { NoteDocuments } from "./noteDocuments";
import { Pins } from "./pins";
import { Server } from "./server";
import { StatusBar } from "./statusBar";
import { Tree } from "./tree";
import { Window } from "./window";

let server: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("Tenets Sessions", { log: true });
  server = new Server(log);
  const window = new Window(server, context.workspaceState);
  const commands = new Commands(window);
  commands.tree = new Tree(window, (entry, session) => commands.move(entry, session));
  let hasTold = false;
  context.subscriptions.push(
    log,
    window,
    new StatusBar(window),
    commands.tree,
    new NoteDocuments(window),
    new Pins(window),
    ...commands.register(),
    server.onDidChangeState((state) => {
      if (state !== "missing" || hasTold) return;
      hasTold = true;
      void offerInstall();
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      const settings = ["tenets.server", "tenets.annotations", "python.defaultInterpreterPath"];
      if (settings.some((one) => event.affectsConfiguration(one))) void server?.start();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => {
      if (server?.state === "missing") void server.start();
    }),
  );
  // Not awaited: VS Code goes on while the server starts.
  void server.start();
}

export async function deactivate(): Promise<void> {
  await server?.dispose();
}
