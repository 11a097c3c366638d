// Finds the command that starts the server.

import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { homedir } from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import * as vscode from "vscode";
import type { Executable } from "vscode-languageclient/node";

const PROGRAM =
  process.platform === "win32" ? "tenets-session-server.exe" : "tenets-session-server";
const PYTHON = process.platform === "win32" ? "python.exe" : "python3";
const MODULE = "tenets_session_server";

export class CommandFinder {
  /** Whether what was found last is the module of an interpreter. */
  isOfInterpreter = false;
  private isListening = false;

  /** `isLocal`: this is another machine than that of the window's folders. */
  constructor(
    private readonly log: vscode.LogOutputChannel,
    private readonly isLocal: boolean,
    private readonly interpreterChanged: () => void,
  ) {}

  /** The command of the setting, else that on the PATH, else the module of the interpreter. */
  async find(): Promise<Executable | undefined> {
    this.isOfInterpreter = false;
    const given = this.given();
    if (given) return given;
    // A folder cannot put a program of its own in its place.
    const options = { cwd: homedir() };
    const found = await onPath(PROGRAM);
    if (found) return { command: found, options };
    const interpreter = await this.interpreter();
    if (interpreter && (await hasModule(interpreter))) {
      this.isOfInterpreter = true;
      return { command: interpreter, args: ["-P", "-m", MODULE], options };
    }
    this.log.info(`no ${PROGRAM} on the PATH, and no ${MODULE} in ${interpreter ?? PYTHON}`);
    return undefined;
  }

  /** The setting. That of a folder on another machine does not count. */
  private given(): Executable | undefined {
    const all = vscode.workspace.getConfiguration("tenets").inspect<unknown>("server.command");
    const ofFolder = this.isLocal ? undefined : (all?.workspaceFolderValue ?? all?.workspaceValue);
    const given = ofFolder ?? all?.globalValue;
    const words: unknown[] =
      typeof given === "string" ? [given] : Array.isArray(given) ? given : [];
    const [command, ...args] = words.map(String);
    if (!command) return undefined;
    return { command, args, options: ofFolder === undefined ? { cwd: homedir() } : undefined };
  }

  /** The interpreter that the user has chosen; in a folder that is not trusted, that of the PATH. */
  private async interpreter(): Promise<string | undefined> {
    if (this.isLocal || !vscode.workspace.isTrusted) return onPath(PYTHON);
    const python = vscode.extensions.getExtension("ms-python.python");
    try {
      const environments = python && (await python.activate())?.environments;
      if (environments && !this.isListening) {
        this.isListening = true;
        environments.onDidChangeActiveEnvironmentPath?.(() => this.interpreterChanged());
      }
      const chosen: string | undefined = environments?.getActiveEnvironmentPath()?.path;
      if (chosen && path.isAbsolute(chosen)) return chosen;
    } catch (error) {
      this.log.debug(`the Python extension does not name its interpreter: ${String(error)}`);
    }
    const configuration = vscode.workspace.getConfiguration("python");
    const setting = configuration.get<string>("defaultInterpreterPath");
    return setting && path.isAbsolute(setting) ? setting : onPath(PYTHON);
  }
}

async function onPath(program: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
    if (!path.isAbsolute(folder)) continue;
    const file = path.join(folder, program);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  return undefined;
}

async function hasModule(interpreter: string): Promise<boolean> {
  const program = `import importlib.util, sys; sys.exit(importlib.util.find_spec("${MODULE}") is None)`;
  try {
    await promisify(execFile)(interpreter, ["-P", "-c", program], { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}
