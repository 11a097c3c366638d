/**
 * Two windows share work sessions: each starts the server's command, on one database.
 *
 * Run it with `npm start`. README.md explains the options.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { TenetsSessionClient, TenetsSessionError } from "./tenets-session-client.mjs";

const USAGE = `\
usage: node share_session.mjs [--database FILE] [--server COMMAND [ARGUMENT...]]

--database  the file to use; the two sessions stay in it (default: a temporary file)
--server    the server's command, to the end of the line (default: the program that
            $TENETS_SESSION_SERVER names, else tenets-session-server on the PATH)`;

const REFACTORING = "refactor the parser";
const BUG = "bug 4711: login loops";

/** One window of an editor: a client that prints what it sees. */
class Window {
  /**
   * @param {string} title
   * @param {TenetsSessionClient} client
   */
  constructor(title, client) {
    this.title = title;
    this.client = client;
    client.capability.warnings.forEach((warning) => this.say(`warning: ${warning}`));
    // A real editor would redraw its status bar here.
    client.onDidChange(({ changes, active }) => {
      const types = changes.map((change) => change.type).join(", ");
      this.say(`is notified: ${types}; the active session is ${active?.name ?? "none"}`);
    });
  }

  /**
   * @param {string} title
   * @param {import("./tenets-session-client.mjs").StartOptions} server
   */
  static async open(title, server) {
    return new Window(title, await TenetsSessionClient.start(server));
  }

  /** @param {string} sentence */
  say(sentence) {
    console.log(`${this.title}: ${sentence}`);
  }

  /**
   * Create a session, or use the one that exists, and activate it.
   *
   * @param {string} name
   * @param {Record<string, unknown>} metadata
   */
  async work(name, metadata) {
    try {
      await this.client.create(name, { metadata, active: true });
      this.say(`created and activated "${name}"`);
    } catch (error) {
      if (!(error instanceof TenetsSessionError) || error.kind !== "sessionExists") {
        throw error;
      }
      await this.client.setActive(name);
      this.say(`activated "${name}", which already existed`);
    }
  }

  async look() {
    const active = await this.client.getActive();
    this.say(`the active session is ${active === null ? "none" : `"${active.name}"`}`);
  }
}

/**
 * @param {Window} one
 * @param {Window} two
 */
async function share(one, two) {
  one.say(`the database is ${one.client.capability.database}`);
  await one.look();
  await one.work(REFACTORING, { branch: "main", "open files": ["parser.py"] });
  const note = await one.client.addContext(REFACTORING, "note", "Grammar first, then the tests.");
  one.say(`added a note of ${note.size} bytes`);

  for await (const session of two.client.sessions({ includeContextCount: true, limit: 10 })) {
    const mark = session.active ? "*" : "-";
    two.say(`lists ${mark} "${session.name}", notes: ${session.contextCount}`);
  }
  const found = await two.client.get(REFACTORING);
  two.say(`reads its metadata: branch ${JSON.stringify(found?.metadata.branch)}`);
  await two.client.updateMetadata(REFACTORING, { "open files": ["parser.py", "lexer.py"] });
  await two.work(BUG, { issue: 4711 });

  const [hit] = await one.client.search("grammar");
  one.say(`finds "${hit?.snippet}" in "${hit?.session.name}"`);
  await two.client.delete(REFACTORING);
  const item = await one.client.undo();
  one.say(`brings back ${JSON.stringify(item?.names)}, which window two has deleted`);

  await one.look();
  const left = await one.client.get(REFACTORING);
  one.say(`sees that "${REFACTORING}" is ${left?.active ? "still" : "no longer"} active`);
  one.say(`sees its files: ${JSON.stringify(left?.metadata["open files"])}`);
}

/** @param {string[]} given */
function optionsFrom(given) {
  const options = {
    command: process.env.TENETS_SESSION_SERVER || "tenets-session-server",
    /** @type {string[]} */
    args: [],
    /** @type {string | null} */
    database: null,
  };
  const rest = [...given];
  while (rest.length > 0) {
    const option = rest.shift();
    const value = rest.shift();
    if (value === undefined || (option !== "--database" && option !== "--server")) {
      return null;
    }
    if (option === "--database") {
      options.database = value;
    } else {
      options.command = value;
      options.args = rest.splice(0);
    }
  }
  return options;
}

/** @param {string[]} given */
async function main(given) {
  const options = optionsFrom(given);
  if (options === null) {
    console.error(USAGE);
    return 2;
  }
  const folder = options.database === null ? await mkdtemp(join(tmpdir(), "tenets-")) : null;
  const database = options.database ?? join(/** @type {string} */ (folder), "tenets.db");
  const server = { command: options.command, args: [...options.args, "--database", database] };
  /** @type {Window[]} */
  const windows = [];
  try {
    for (const title of ["window one", "window two"]) {
      windows.push(await Window.open(title, server));
    }
    const [one, two] = windows;
    await share(one, two);
    return 0;
  } catch (error) {
    if (!(error instanceof TenetsSessionError)) {
      throw error;
    }
    console.error(`${error.kind}: ${error.message}`);
    return 1;
  } finally {
    await Promise.all(windows.map((window) => window.client.stop()));
    if (folder !== null) {
      await rm(folder, { recursive: true });
    }
  }
}

process.exitCode = await main(process.argv.slice(2));
